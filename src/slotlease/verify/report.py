"""What a run found, as numbers and plain data: the table, the JSON report and the pages are made of this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from slotlease.verify.answer import Answer
from slotlease.verify.case import GROUPS, Case, Outcome, Result
from slotlease.verify.run import Done
from slotlease.verify.shop import Slot, Version, instant

_NOTED: Final = ("availability", "latency")

SHOWN_CHARACTERS_MAX: Final = 4_000
"""Of what was sent or came: a report is for reading."""


@dataclass(frozen=True, slots=True)
class Head:
    """What was judged, when (microseconds since 1970 UTC), for how long, and the seed that repeats it."""

    address: str
    version: Version
    seed: str
    began_us: int
    took_s: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one method: how many calls were made, and how many of them were not answered as they must be."""

    method: str
    calls: int
    errors: int


def tallies(done: Done) -> list[Tally]:
    """By method, in the order in which they were first called."""
    calls = Counter(answer.method for answer in done.calls)
    wrong = {
        id(finding.answer): finding.answer.method
        for result in done.results
        if result.outcome is Outcome.FAIL
        for finding in result.findings
        if finding.answer is not None
    }
    errors = Counter(wrong.values())
    return [Tally(method, count, errors[method]) for method, count in calls.items()]


def outcomes(results: Sequence[Result]) -> Counter[Outcome]:
    return Counter(result.outcome for result in results)


def by_group(done: Done) -> dict[str, list[Result]]:
    """Groups without a result are left out."""
    of_group = {group: [result for result in done.results if result.case.group == group] for group in GROUPS}
    return {group: results for group, results in of_group.items() if results}


def figures(done: Done) -> list[tuple[str, str]]:
    """What is worth reading whether or not anything is wrong: by case, availability merchant by merchant, and times."""
    noted = (result for result in done.results if result.case.group in _NOTED)
    return [(result.case.id, note) for result in noted for note in result.notes]


def slot_in_words(slot: Slot) -> str:
    return f"{slot.merchant_id} {slot.service_id} {instant(slot.start_us)}"


def shortened(text: str) -> str:
    if len(text) <= SHOWN_CHARACTERS_MAX:
        return text
    return f"{text[:SHOWN_CHARACTERS_MAX]}... ({len(text) - SHOWN_CHARACTERS_MAX:,} more characters)"


def as_data(head: Head, done: Done) -> Mapping[str, object]:
    """For the JSON report; every call of what failed or warned is in it."""
    remains = done.remains
    return {
        "passed": done.passed,
        "server": head.address,
        "api": head.version.value,
        "seed": head.seed,
        "began": instant(head.began_us),
        "took_s": round(head.took_s, 3),
        "outcomes": {outcome.value: count for outcome, count in outcomes(done.results).items()},
        "methods": [{"method": one.method, "calls": one.calls, "errors": one.errors} for one in tallies(done)],
        "cases": [_case_data(result) for result in done.results],
        "not_cancelled": [
            {"booking_id": booking_id, "slot": slot_in_words(slot), "why": answer.came.strip()}
            for booking_id, slot, answer in remains.bookings
        ],
        "leases_left": remains.leases,
        "leases_left_until": instant(remains.leases_until_us) if remains.leases else None,
    }


def about(case: Case) -> Mapping[str, object]:
    return {
        "id": case.id,
        "group": case.group,
        "title": case.title,
        "required": case.required,
        "rule": case.rule,
        "source": case.source,
        "hint": case.hint,
    }


def _case_data(result: Result) -> Mapping[str, object]:
    told = result.outcome in {Outcome.FAIL, Outcome.WARN}
    return {
        **about(result.case),
        "outcome": result.outcome.value,
        "why": result.why,
        "notes": list(result.notes),
        "took_s": round(result.took_s, 3),
        "findings": [{"expected": one.expected, "came": one.came} for one in result.findings],
        "calls": [call_data(answer) for answer in result.calls] if told else len(result.calls),
    }


def call_data(answer: Answer[object]) -> Mapping[str, object]:
    return {
        "method": answer.method,
        "sent": shortened(answer.sent),
        "answered": answer.word,
        "came": shortened(answer.came),
        "took_ms": round(answer.took_s * 1000, 1),
    }
