"""Sweeps and purges every so often, as long as the server runs."""

from __future__ import annotations

import threading
import time
from typing import cast

import structlog

from slotlease.desk.batch import Report, unwrap
from slotlease.desk.desk import Desk
from slotlease.desk.fault import Unavailable
from slotlease.desk.operation import Operation
from slotlease.desk.purge_leases import purge
from slotlease.desk.sweep_leases import sweep
from slotlease.store.protocol import Store, StoreUnavailable
from slotlease.telemetry import told_of

PURGE_INTERVAL_S = 3600.0
"""Leases are kept 30 days after they ended, so nobody minds an hour more; a purge reads every lease's row."""

_log = structlog.get_logger("slotlease.sweeper")


class Sweeper:
    """Marks lapsed leases every so often, and deletes those that ended long ago, through the desk like any other
    request. Tidies only: no answer depends on it, so a round that fails is left to the next one. An interval of 0
    keeps it off."""

    def __init__(self, store: Store, desk: Desk, interval_s: float, report: Report) -> None:
        self._store = store
        self._desk = desk
        self._interval_s = interval_s
        self._report = report
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sweeper", daemon=True)

    def start(self) -> None:
        if self._interval_s > 0:
            self._thread.start()

    def stop(self) -> None:
        """Begins no more rounds. One under way ends at the latest when the desk closes."""
        self._stopping.set()

    def join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        purged_at_s: float | None = None
        while not self._stopping.wait(self._interval_s):
            deleted = 0
            try:
                buried = sweep(self._store, self._ask)
                if purged_at_s is None or time.monotonic() - purged_at_s >= PURGE_INTERVAL_S:
                    deleted = purge(self._store, self._ask)
                    purged_at_s = time.monotonic()
            except (Unavailable, StoreUnavailable) as error:
                if not self._stopping.is_set():
                    _log.warning("sweep put off", **told_of(error))
            except Exception as error:  # noqa: BLE001 - a mistake here must not end the sweeping for good
                self._report(error)
            else:
                if buried or deleted:
                    _log.info("swept", expired=buried, deleted=deleted)

    def _ask(self, operation: Operation[int]) -> int:
        answered = threading.Event()
        ticket = self._desk.submit(operation, deadline_s=None, notify=lambda _tickets: answered.set())
        answered.wait()
        return cast("int", unwrap(ticket.answer))
