"""How long each method takes under a gentle load, and how often it fails, beside Google's published thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from slotlease.verify.answer import OK, Answer
from slotlease.verify.caller import CHECK, CREATE_BOOKING, CREATE_LEASE, LIST, LOOK_UP, STATUS, UPDATE
from slotlease.verify.case import Outcome, case
from slotlease.verify.cases_availability import sample
from slotlease.verify.shop import SECOND_US, BookingWish
from slotlease.verify.trial import Trial

THRESHOLDS: Final = {
    CHECK: (0.10, 5.0),
    LOOK_UP: (0.03, 1.5),
    CREATE_LEASE: (0.10, 5.0),
    CREATE_BOOKING: (0.05, 4.0),
    UPDATE: (0.05, 4.0),
}
"""By method: the share of errors and the seconds that must stay below (Launch and monitor). No page says which
percentile of the seconds is meant; for what is not listed, none states a figure."""

Call = Callable[[], Answer[object]]


def _of(name: str, method: str, needs: tuple[str, ...], calls: Callable[[Trial], Iterator[Call]]) -> None:
    below = _below(method)

    @case(
        f"latency.{name}",
        f"{method} in time",
        rule=f"{below[0].upper()}{below[1:]}. Fails where the median is over, warns where p95 or p99 is.",
        source="Launch and monitor: thresholds (percentile left open)",
        hint="Look at the slow calls' times: a lock, a cold connection pool, a query without an index.",
        needs=needs,
        required=method in THRESHOLDS,
    )
    def _one(t: Trial) -> None:
        _judge(t, method, _paced(t, calls(t)))


def _below(method: str) -> str:
    if method not in THRESHOLDS:
        return "no page states figures"
    errors, seconds = THRESHOLDS[method]
    return f"fewer than {errors:.0%} errors, in less than {seconds:g} s"


def _paced(t: Trial, calls: Iterator[Call]) -> list[Answer[object]]:
    """Begins --qps calls a second, or fewer where the server is slower."""
    answers: list[Answer[object]] = []
    step_us = round(SECOND_US / t.around.options.qps)
    next_us = t.around.now_us()
    for call, _ in zip(calls, range(t.around.options.calls), strict=False):
        wait_us = next_us - t.around.now_us()
        if wait_us > 0:
            t.around.pause(wait_us / SECOND_US)
        next_us = max(next_us, t.around.now_us()) + step_us
        answers.append(call())
    return answers


@dataclass(frozen=True, slots=True)
class Times:
    """Of one method's calls: the share that failed, and three percentiles in seconds."""

    errors: float
    p50_s: float
    p95_s: float
    p99_s: float

    def __str__(self) -> str:
        p50, p95, p99 = (f"{seconds * 1000:.1f} ms" for seconds in (self.p50_s, self.p95_s, self.p99_s))
        return f"{self.errors:.0%} errors, p50 {p50}, p95 {p95}, p99 {p99}"


def times(answers: list[Answer[object]]) -> Times:
    failed = sum(answer.word != OK for answer in answers)
    percentiles = (percentile([answer.took_s for answer in answers], share) for share in (0.50, 0.95, 0.99))
    return Times(failed / len(answers), *percentiles)


def outcome_of(method: str, measured: Times) -> Outcome:
    """FAIL over a limit that leaves nothing open, WARN where one would be over it by another reading."""
    if method not in THRESHOLDS:
        return Outcome.PASS
    errors_max, limit_s = THRESHOLDS[method]
    if measured.errors >= errors_max or measured.p50_s >= limit_s:
        return Outcome.FAIL
    return Outcome.WARN if max(measured.p95_s, measured.p99_s) >= limit_s else Outcome.PASS


def _judge(t: Trial, method: str, answers: list[Answer[object]]) -> None:
    measured = times(answers)
    t.note(f"{method}: {measured}; Google: {_below(method)}")
    outcome = outcome_of(method, measured)
    first_wrong = next((answer for answer in answers if answer.word != OK), None)
    t.holds(outcome is not Outcome.FAIL, _below(method), str(measured), first_wrong)
    t.warn_unless(outcome is Outcome.PASS, _below(method), str(measured))


def percentile(values: list[float], share: float) -> float:
    """The smallest of the values that is not less than that share of them."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]


def _checks(t: Trial) -> Iterator[Call]:
    while True:
        for offer in t.around.offers[:100]:
            yield partial(t.caller.check_availability, offer.slot)


def _lookups(t: Trial) -> Iterator[Call]:
    slots = sample(t)
    while True:
        yield lambda: t.caller.look_up(slots[0].merchant_id, slots)


def _leases(t: Trial) -> Iterator[Call]:
    while True:
        yield partial(t.caller.create_lease, t.lease_wish(t.slot()))


def _bookings(t: Trial) -> Iterator[Call]:
    """Each is cancelled before the next one, so that one slot is enough."""
    slot = t.slot()
    while True:
        made: list[str] = []
        yield partial(_book, t, t.wish(slot), made)
        for booking_id in made:
            t.caller.cancel(booking_id)


def _updates(t: Trial) -> Iterator[Call]:
    slot = t.slot()
    while True:
        yield partial(t.caller.cancel, t.booked(slot).booking_id)


def _statuses(t: Trial) -> Iterator[Call]:
    booking_id = t.booked(t.slot()).booking_id
    while True:
        yield lambda: t.caller.status(booking_id)


def _lists(t: Trial) -> Iterator[Call]:
    user = t.names.user()
    t.booked(t.slot(), user)
    while True:
        yield lambda: t.caller.list_bookings(user.user_id)


def _book(t: Trial, wish: BookingWish, made: list[str]) -> Answer[object]:
    answer = t.caller.create_booking(wish)
    if answer.value is not None:
        made.append(answer.value.booking_id)
    return answer


_of("check", CHECK, (CHECK,), _checks)
_of("lookup", LOOK_UP, (LOOK_UP,), _lookups)
_of("lease", CREATE_LEASE, (CREATE_LEASE,), _leases)
_of("booking", CREATE_BOOKING, (CREATE_BOOKING, UPDATE), _bookings)
_of("update", UPDATE, (CREATE_BOOKING, UPDATE), _updates)
_of("status", STATUS, (CREATE_BOOKING, STATUS), _statuses)
_of("list", LIST, (CREATE_BOOKING, LIST), _lists)
