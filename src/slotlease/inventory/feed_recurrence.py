"""Slots that recur: one entry of the availability feed stands for a row of slots, some of them blocked.

Google's words (availability feed, `recurrence` and `schedule_exception`): a slot starts every `repeat_every_sec` from
`start_sec` on, the last one not after `repeat_until_sec`; each has one spot, free unless an exception blocks it. An
exception is a half-open span of time, and blocks every occurrence that it overlaps. All of it is Unix time, so an
occurrence is no local hour: across a change of clocks the local hours shift, as the feed says they do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from slotlease.inventory.feed_fields import Fields, Message, fields_of
from slotlease.inventory.feed_values import SECOND_US, FeedSlot

SPAN_MAX_S = 24 * 3_600
"""Google: one recurrence covers 24 hours at most."""
EVERY_MIN_S = 60
"""Ours: Google names no least step, and one entry must not stand for a day's seconds."""

_RECURRENCE = Message("Recurrence", frozenset({"repeat_until_sec", "repeat_every_sec"}))
_EXCEPTION = Message("ScheduleException", frozenset({"time_range"}))
_TIME_RANGE = Message("TimeRange", frozenset({"begin_sec", "end_sec"}))

_Span = tuple[int, int]


def read_occurrences(fields: Fields, first: FeedSlot) -> Iterable[FeedSlot]:
    """Every occurrence of the entry whose first one is given; that one alone where the recurrence is faulty."""
    recurrence = fields.inner("recurrence", _RECURRENCE)
    blocked = _read_exceptions(fields)
    for key in ("spots_total", "spots_open"):
        if fields.raw(key) not in (None, 1, "1"):
            fields.fault(key, "must be 1 or left out, as a recurrence implies; list slots of other spots one by one")
    if recurrence is None:
        return (first,)
    every_us = (recurrence.required_whole("repeat_every_sec", EVERY_MIN_S, SPAN_MAX_S, " seconds") or 0) * SECOND_US
    until_us = recurrence.required_instant_us("repeat_until_sec")
    if not (every_us and until_us and first.start_us):
        return (first,)
    if not 0 <= until_us - first.start_us <= SPAN_MAX_S * SECOND_US:
        problem = "must lie from start_sec to 24 hours after it, the last start included; begin a new entry each day"
        recurrence.fault("repeat_until_sec", problem)
        return (first,)
    starts = range(first.start_us, until_us + 1, every_us)
    return [_occurrence(first, start_us, blocked) for start_us in starts]


def _occurrence(first: FeedSlot, start_us: int, blocked: list[_Span]) -> FeedSlot:
    end_us = start_us + first.duration_us
    is_blocked = any(begin_us < end_us and start_us < until_us for begin_us, until_us in blocked)
    return replace(first, start_us=start_us, spots_open=0 if is_blocked else 1, recurs=True)


def _read_exceptions(fields: Fields) -> list[_Span]:
    spans = []
    for number, entry in enumerate(fields.entries("schedule_exception")):
        exception = fields_of(entry, f"{fields.place}.schedule_exception[{number}]", fields.faults, _EXCEPTION)
        if exception is None:
            continue
        if not exception.has("time_range"):
            exception.fault("time_range", "is required; give begin_sec and end_sec")
        span = exception.inner("time_range", _TIME_RANGE)
        if span is None:
            continue
        begin_us, end_us = span.required_instant_us("begin_sec"), span.required_instant_us("end_sec")
        if begin_us and end_us and begin_us >= end_us:
            span.fault("end_sec", "must be after begin_sec, since the span ends before it; correct one of them")
        spans.append((begin_us, end_us))
    return spans
