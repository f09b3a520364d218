"""What batches did, as numbers for the operator: told after the commit, once for a whole batch.

Here and not in the rules: those are pure, and what was decided counts only once it is durable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from slotlease.desk.book_lease import BookLease
from slotlease.desk.create_booking import CreateBooking
from slotlease.desk.create_lease import CreateLease
from slotlease.desk.operation import Operation
from slotlease.domain.booking import Booking
from slotlease.domain.facts import Changes
from slotlease.domain.failure import InvalidArgument, Reason
from slotlease.domain.lease import Lease, LeaseState
from slotlease.store.protocol import StoreFault

if TYPE_CHECKING:
    # Slow to import, and most commands show no metrics.
    from slotlease.telemetry.metrics import Metrics

LEASES: Final = "CreateLease"
BOOKINGS: Final = "CreateBooking"

_CREATES: Final[Mapping[type[Operation[object]], str]] = {
    CreateLease: LEASES,
    CreateBooking: BOOKINGS,
    BookLease: BOOKINGS,
}

_GRANTED: Final = (Lease, Booking)


class Tally:
    """Counts into `metrics` what the two lanes and their batches tell. `live_leases` counts those on the ledger, and is
    asked whenever the metrics are read: a count kept here would miss what commands and other servers do to it, and
    would have to be made anew at each start. The index of active leases alone answers it (docs/decisions/0012)."""

    def __init__(self, metrics: Metrics, live_leases: Callable[[], int]) -> None:
        self._metrics = metrics
        self._granted, self._ended = (
            metrics.leases.labels("granted"),
            {
                LeaseState.CONSUMED: metrics.leases.labels("consumed"),
                LeaseState.EXPIRED: metrics.leases.labels("expired"),
                LeaseState.RELEASED: metrics.leases.labels("released"),
            },
        )
        for method in (LEASES, BOOKINGS):
            metrics.replays.labels(method)
            metrics.token_conflicts.labels(method)
        metrics.live_leases.set_function(lambda: _or_not_a_number(live_leases))

    # --- the lanes -----------------------------------------------------------------------------------------------

    def watch_queue(self, lane: str, depth: Callable[[], int]) -> None:
        self._metrics.queue_depth.labels(lane).set_function(depth)

    def batch_done(self, lane: str, requests: int, duration_s: float) -> None:
        self._metrics.batch_size.labels(lane).observe(requests)
        self._metrics.batch_duration.labels(lane).observe(duration_s)
        if self._metrics.traces is not None:
            self._metrics.traces.batch(lane, requests, duration_s)

    # --- the batches ---------------------------------------------------------------------------------------------

    def repeated(self, why: str) -> None:
        self._metrics.batch_repeats.labels(why).inc()

    def store_unavailable(self, lane: str) -> None:
        self._metrics.store_unavailable.labels(lane).inc()

    def committed(self, changes: Changes, duration_s: float) -> None:
        """What a batch wrote, and how long writing it took."""
        self._metrics.commit_duration.observe(duration_s)
        if self._metrics.traces is not None:
            self._metrics.traces.commit(duration_s)
        granted = sum(before is None for before, _ in changes.leases)
        if granted:
            self._granted.inc(granted)
        if changes.leases_buried:
            self._ended[LeaseState.EXPIRED].inc(len(changes.leases_buried))
        for _, after in changes.leases:
            # A lease may be granted and booked in one batch: both are told.
            if after.state in self._ended:
                self._ended[after.state].inc()
        booked = sum(before is None for before, _ in changes.bookings)
        if booked:
            self._metrics.bookings_created.inc(booked)

    def answered(self, decided: Sequence[tuple[Operation[object], object]], changes: Changes) -> None:
        """What became of tokens. Of the requests that were granted, those for which no row was made are repeats."""
        granted = {LEASES: 0, BOOKINGS: 0}
        for operation, answer in decided:
            method = _CREATES.get(type(operation))
            if method is None:
                continue
            if isinstance(answer, _GRANTED):
                granted[method] += 1
            elif isinstance(answer, InvalidArgument) and answer.reason is Reason.IDEMPOTENCY_TOKEN_REUSED:
                self._metrics.token_conflicts.labels(method).inc()
        for method, rows in ((LEASES, changes.leases), (BOOKINGS, changes.bookings)):
            repeats = granted[method] - sum(before is None for before, _ in rows)
            if repeats > 0:
                self._metrics.replays.labels(method).inc(repeats)


def _or_not_a_number(count: Callable[[], int]) -> float:
    """The other metrics are never more wanted than while the store is away."""
    try:
        return count()
    except StoreFault:
        return math.nan
