"""How a run goes: every case in turn, then those that wait, all at the same time; at the end all is given back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from slotlease.verify.answer import Answer
from slotlease.verify.asking import RequestsSpent
from slotlease.verify.caller import CREATE_BOOKING, LIST, Caller
from slotlease.verify.case import Case, Finding, Outcome, Result, Until
from slotlease.verify.names import Names
from slotlease.verify.shop import CANCELED, SECOND_US, Booking, Slot
from slotlease.verify.trial import GONE, Failed, NotTried, Surroundings, Trial

NAMES_MAX: Final = 40
"""More tokens and users than any case makes, but for the latency group under a high --calls."""


GONE_AFTER: Final = 20
"""So many calls without an answer, one after the other, and the server is taken for gone: each costs a --timeout."""


class NothingListed(Exception):
    """Bookings cannot be found again; the text says why."""


class Watch(Protocol):
    """Whoever looks on while it runs."""

    def began(self, case: Case) -> None: ...

    def ended(self, result: Result) -> None: ...

    def waits(self, seconds: float, cases: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Choice:
    """By id, group, or part of an id from the left. `only` empty: all. What is in `require` must pass: for those a
    warning, or not having been tried for whatever reason, is a failure too."""

    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    require: frozenset[str] = frozenset()
    wait: bool = True

    def tries(self, case: Case) -> bool:
        """Whether it is among those to be tried or left out by name; others do not count at all."""
        return not self.only or case.chosen_by(self.only)


@dataclass(frozen=True, slots=True)
class Remains:
    """What could not be given back: bookings that are still there and why, and leases that end by themselves, the last
    of them at `leases_until_us` (microseconds since 1970 UTC)."""

    bookings: tuple[tuple[str, Slot, Answer[Booking]], ...]
    leases: int
    leases_until_us: int


@dataclass(frozen=True, slots=True)
class Done:
    results: tuple[Result, ...]
    remains: Remains
    calls: tuple[Answer[object], ...]
    choice: Choice
    interrupted: bool = False

    @property
    def unproved(self) -> tuple[Result, ...]:
        """Those for which the run does not pass."""
        return tuple(result for result in self.results if not self._is_enough(result))

    @property
    def passed(self) -> bool:
        return not self.unproved and not self.interrupted

    def _is_enough(self, result: Result) -> bool:
        if result.case.chosen_by(self.choice.require):
            return result.outcome is Outcome.PASS
        return not result.case.required or result.outcome in {Outcome.PASS, Outcome.WARN, Outcome.SKIPPED}


def run(cases: Sequence[Case], around: Surroundings, caller: Caller, choice: Choice, watch: Watch) -> Done:
    """Tries the cases that are chosen. Whatever happens, all that was booked is cancelled at the end, as far as the
    server lets us; Ctrl-C ends the run early."""
    results: list[Result] = []
    waiting: list[_Attempt] = []
    interrupted = False
    try:
        # Those that wait come last, and then all at once: while others ran, their time could pass unseen.
        for case in sorted(cases, key=lambda case: case.waits):
            if not choice.tries(case):
                continue
            attempt = _Attempt(case, around, caller)
            watch.began(case)
            why_not = _why_not(case, around, caller, choice)
            if why_not:
                attempt.leave(Outcome.SKIPPED, why_not)
            elif _nobody_answers(around):
                attempt.leave(Outcome.NOT_TRIED, f"the last {GONE_AFTER} calls had no answer, so no more were made")
            elif attempt.go():
                waiting.append(attempt)
                continue
            results.append(attempt.result())
            watch.ended(results[-1])
        results.extend(_wait_for(waiting, around, watch))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        remains = give_back(around, caller)
    place = {case.id: number for number, case in enumerate(cases)}
    results.sort(key=lambda result: place[result.case.id])
    return Done(tuple(results), remains, tuple(around.calls), choice, interrupted)


def _nobody_answers(around: Surroundings) -> bool:
    last = around.calls[-GONE_AFTER:]
    return len(last) == GONE_AFTER and all(answer.word in GONE for answer in last)


def _why_not(case: Case, around: Surroundings, caller: Caller, choice: Choice) -> str:
    if case.chosen_by(choice.skip):
        return "left out by --skip"
    missing = case.lacks(caller.methods)
    if missing:
        return f"version {caller.version.value[1:]} has no {missing}"
    absent = case.lacks(caller.methods - around.absent)
    if absent:
        return f"the server does not offer {absent}, which is optional"
    if case.waits and not choice.wait:
        return "left out by --no-wait"
    return ""


def _wait_for(waiting: list[_Attempt], around: Surroundings, watch: Watch) -> Iterator[Result]:
    while waiting:
        waiting.sort(key=lambda attempt: attempt.at_us)
        attempt = waiting.pop(0)
        seconds = (attempt.at_us - around.now_us()) / SECOND_US
        if seconds > 0:
            watch.waits(seconds, len(waiting) + 1)
            around.pause(seconds)
        if attempt.go():
            waiting.append(attempt)
        else:
            result = attempt.result()
            watch.ended(result)
            yield result


def give_back(around: Surroundings, caller: Caller) -> Remains:
    """Cancels every booking that is still there. Not bounded by the run's number of requests: it must be done."""
    refused: list[tuple[str, Slot, Answer[Booking]]] = []
    for wish in around.left.unsure.values():
        # Each has a user of its own, so whatever that user has was made by it.
        if LIST in caller.methods:
            _find(around, caller, wish.user.user_id, wish.slot)
    for booking_id, slot in list(around.left.bookings.items()):
        answer = caller.cancel(booking_id)
        around.left.cancelled(booking_id, answer)
        if booking_id in around.left.bookings:
            refused.append((booking_id, slot, answer))
    now_us = around.now_us()
    live = [expires_us for expires_us in around.left.leases.values() if expires_us > now_us]
    return Remains(tuple(refused), len(live), max(live, default=0))


def cancel_all(cases: Sequence[Case], around: Surroundings, caller: Caller) -> Remains:
    """Cancels what runs with this seed have booked and left. Their users are known: they come from the seed."""
    if LIST not in caller.methods:
        raise NothingListed(f"version {caller.version.value[1:]} cannot list bookings, so none can be found again")
    names = [Names(around.seed, case.id) for case in cases if CREATE_BOOKING in case.needs]
    try:
        for _ in range(NAMES_MAX):
            for one in names:
                around.left.spend()
                _find(around, caller, one.token(), None)
    except RequestsSpent:
        pass  # what was found is cancelled all the same
    return give_back(around, caller)


def _find(around: Surroundings, caller: Caller, user_id: str, slot: Slot | None) -> None:
    for booking in caller.list_bookings(user_id).value or ():
        place = booking.slot or slot
        if booking.status != CANCELED and place is not None:
            around.left.bookings[booking.booking_id] = place


class _Attempt:
    """A case under way. `at_us` is when it wants to go on."""

    def __init__(self, case: Case, around: Surroundings, caller: Caller) -> None:
        self.at_us = 0
        self._case = case
        self._around = around
        self._trial = Trial(case, around, caller)
        self._rest: Iterator[Until] | None = None
        self._outcome: Outcome | None = None
        self._why = ""
        self._failed: list[Finding] = []
        self._took_s = 0.0

    def go(self) -> bool:
        """True where it wants to wait until `at_us`."""
        began_s = time.perf_counter()
        try:
            return self._step()
        except Failed as error:
            if self._case.lacks(self._trial.caller.methods - self._around.absent):
                self.leave(Outcome.SKIPPED, "the server does not offer what it is about: optional")
            else:
                self._failed.append(error.finding)
        except NotTried as error:
            self.leave(Outcome.SKIPPED if error.by_choice else Outcome.NOT_TRIED, error.why)
        except RequestsSpent:
            self.leave(Outcome.NOT_TRIED, "the run has made as many requests as --requests lets it")
        except Exception as error:  # noqa: BLE001 - a mistake in one case must not lose what the others found
            mistake = f"a mistake of slotlease verify ({type(error).__name__}: {error}); please report it"
            self.leave(Outcome.NOT_TRIED, mistake)
        finally:
            self._took_s += time.perf_counter() - began_s
        return False

    def _step(self) -> bool:
        if self._rest is None:
            self._rest = self._case.tried(self._trial) or iter(())
        until = next(self._rest, None)
        if until is None:
            return False
        self.at_us = until.at_us
        return True

    def leave(self, outcome: Outcome, why: str) -> None:
        """Ends it without having tried it, or without a judgement."""
        self._outcome, self._why = outcome, why

    def result(self) -> Result:
        findings = tuple(self._failed or self._trial.warnings)
        outcome = self._outcome
        if outcome is None:
            failed = Outcome.FAIL if self._case.required else Outcome.WARN
            outcome = failed if self._failed else Outcome.WARN if findings else Outcome.PASS
        calls, notes = tuple(self._trial.calls), tuple(self._trial.notes)
        return Result(self._case, outcome, findings, self._why, calls, notes, self._took_s)
