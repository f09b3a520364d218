"""Writes to the store every so often, and says when that changes whether the server is healthy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from slotlease.desk.batch import Report
from slotlease.desk.health import Health, Probe, after
from slotlease.store.protocol import Store, StoreFault


class HealthWatch:
    """Works beside the desk and not through it: that a queue is full is no illness. An interval of 0 keeps it off."""

    def __init__(
        self,
        store: Store,
        report: Report,
        *,
        interval_s: float,
        patience_s: float,
        tell: Callable[[bool], object],
        failed: Callable[[], None],
    ) -> None:
        """`tell` is called on the watch's thread with whether the server is healthy, each time that changes; `failed`
        with nothing, for every probe that was not good."""
        self._store = store
        self._report = report
        self._interval_s = interval_s
        self._patience_s = patience_s
        self._tell = tell
        self._failed = failed
        self._stopping = threading.Event()
        self._answered = threading.Event()
        self._good = False
        self._began_s = 0.0
        self._probing: threading.Thread | None = None
        self._watching = threading.Thread(target=self._watch, name="health", daemon=True)

    def start(self) -> None:
        if self._interval_s > 0:
            self._watching.start()

    def stop(self) -> None:
        """Begins no more probes. One under way ends as soon as the store answers."""
        self._stopping.set()

    def join(self) -> None:
        for thread in (self._watching, self._probing):
            if thread is not None and thread.ident is not None:
                thread.join()

    def _watch(self) -> None:
        health = Health()
        while not self._stopping.wait(self._interval_s):
            probe = self._probe()
            was, health = health, after(health, probe, patience_s=self._patience_s)
            if not probe.good:
                self._failed()
            if health.serving != was.serving and not self._stopping.is_set():
                self._tell(health.serving)

    def _probe(self) -> Probe:
        """Waits no longer than the patience. A write that hangs is waited for again next time, and no second begun."""
        if self._probing is None:
            self._answered.clear()
            self._began_s = time.monotonic()
            # A thread of its own, since nothing can call back a write that hangs.
            self._probing = threading.Thread(target=self._write, name="health-probe", daemon=True)
            self._probing.start()
        if not self._answered.wait(self._patience_s):
            return Probe(good=False, began_s=self._began_s, now_s=time.monotonic())
        self._probing.join()
        self._probing = None
        return Probe(good=self._good, began_s=self._began_s, now_s=time.monotonic())

    def _write(self) -> None:
        self._good = False
        try:
            self._store.probe_write()
        except StoreFault:
            pass
        except Exception as error:  # noqa: BLE001 - a mistake here must not end the watch for good
            self._report(error)
        else:
            self._good = True
        finally:
            self._answered.set()
