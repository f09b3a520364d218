"""Malformed and hostile input, and what no answer of the whole run may be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from slotlease.verify.answer import (
    CAUSE_UNSPECIFIED,
    DEADLINE_EXCEEDED,
    INTERNAL,
    INVALID_ARGUMENT,
    NOT_FOUND,
    OK,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    UNIMPLEMENTED,
    UNKNOWN,
    Answer,
)
from slotlease.verify.caller import CHECK, CREATE_BOOKING, CREATE_LEASE, Hostile
from slotlease.verify.case import case
from slotlease.verify.shop import User
from slotlease.verify.trial import GONE, Trial, said

_ANSWERED = "Implement the booking server: two kinds of error"
_LIBRARY: Final = (INTERNAL,)
"""Some gRPC libraries refuse what is no message before the server's own code sees it, and say so."""

INSIDES: Final = re.compile(
    r"Traceback|File \"|line \d+, in |\bat [\w.$]+\([\w.]+:\d+\)|\b[A-Z][a-z]\w*(Exception|Error)\b|"
    r"Exception calling|panic:|goroutine \d|"
    r"SQLSTATE|sqlite|psycopg|SELECT .+ FROM|INSERT INTO|UPDATE \w+ SET|/usr/|/home/|/var/|0x[0-9a-f]{8,}"
)
"""What a stack trace, a database or a file system says, and no partner wants to tell the world."""

WORDS: Final = (
    "Zoë 美咲 🙂",
    "O'Brien; DROP TABLE booking; --",
    "<script>alert(1)</script>",
    "\u202egnirts\u202c {{7*7}} ${7*7} %s",
)


def _hostile(name: str, kind: Hostile, rule: str, words: Sequence[str], open_words: tuple[str, ...], hint: str) -> None:
    """One case for each kind of hostile input, sent to every method that takes a slot."""

    @case(
        f"robustness.{name}",
        kind.value,
        rule=rule,
        source=_ANSWERED,
        hint=hint,
    )
    def _one(t: Trial) -> None:
        slot = t.around.offers[0].slot
        for method in (CHECK, CREATE_LEASE, CREATE_BOOKING):
            if t.can(method):
                answer = t.caller.send_hostile(kind, method, slot)
                # Where a method is not offered, nothing is said of what it would do.
                if answer is not None and t.can(method):
                    t.expect(answer, *words, open_words=open_words)


_MALFORMED = "It is malformed: INVALID_ARGUMENT (400). Never OK, a hang, a crash, or an error of the server's."
_CHECK_INPUT = "Check what came before it reaches the database, and answer a mistake as one."

_hostile("nothing", Hostile.NOTHING, _MALFORMED, (INVALID_ARGUMENT,), (), _CHECK_INPUT)
_hostile("garbage", Hostile.GARBAGE, _MALFORMED, (INVALID_ARGUMENT,), _LIBRARY, _CHECK_INPUT)
_hostile("truncated", Hostile.TRUNCATED, _MALFORMED, (INVALID_ARGUMENT,), _LIBRARY, _CHECK_INPUT)
_hostile("utf8", Hostile.BAD_UTF8, _MALFORMED, (INVALID_ARGUMENT,), _LIBRARY, _CHECK_INPUT)
_hostile("instant", Hostile.BAD_INSTANT, _MALFORMED, (INVALID_ARGUMENT,), (), "Timestamps hold any numbers: check.")
_hostile(
    "duration", Hostile.NEGATIVE_DURATION, _MALFORMED, (INVALID_ARGUMENT,), (), "Durations hold any numbers: check."
)
_hostile("long-text", Hostile.LONG_TEXT, _MALFORMED, (INVALID_ARGUMENT,), (RESOURCE_EXHAUSTED,), _CHECK_INPUT)
_hostile("control", Hostile.CONTROL_CHARACTERS, _MALFORMED, (INVALID_ARGUMENT,), (), _CHECK_INPUT)
_hostile(
    "sql-text",
    Hostile.SQL,
    _MALFORMED,
    (INVALID_ARGUMENT,),
    (),
    "Values go to the database beside SQL, never in it.",
)
_hostile(
    "huge",
    Hostile.HUGE,
    "It is refused, one way or another, and the server lives on.",
    (INVALID_ARGUMENT, RESOURCE_EXHAUSTED),
    (UNAVAILABLE, INTERNAL),
    "Limit the size of what is read.",
)
_hostile(
    "no-such-method",
    Hostile.NO_SUCH_METHOD,
    "It is UNIMPLEMENTED (version 3: 404).",
    (UNIMPLEMENTED, NOT_FOUND),
    (),
    "A catch-all handler answers what it does not know.",
)


@case(
    "robustness.unknown-field",
    "a field that the definition does not have (yet)",
    rule="Unknown fields are passed over: Google's messages grow, and a server must not break when they do.",
    source="Protocol Buffers: unknown fields; CreateBooking: fields came and went between versions of the page",
    hint="A strict JSON or protobuf reader refuses what it does not know.",
    needs=(CHECK,),
)
def _unknown_field(t: Trial) -> None:
    answer = t.caller.send_hostile(Hostile.UNKNOWN_FIELD, CHECK, t.slot())
    if answer is not None:
        t.expect(answer, OK)


@case(
    "robustness.user-texts",
    "names as people and attackers write them",
    rule="A user's name may hold any text; it comes back as it was sent. A refusal (INVALID_ARGUMENT) is a choice.",
    source="UserInformation",
    hint="A text is escaped, cut or encoded once too often on its way to the database and back.",
    needs=(CREATE_BOOKING,),
)
def _user_texts(t: Trial) -> None:
    slots = [offer.slot for offer in t.offers(len(WORDS))]
    for text, slot in zip(WORDS, slots, strict=True):
        user = replace(t.names.user(), given_name=text)
        answer = t.caller.create_booking(t.wish(slot, user))
        if t.expect(answer, OK, open_words=(INVALID_ARGUMENT,)):
            t.equal("given_name", text, _given_name(t.value(answer).user), answer)


@case(
    "robustness.alive",
    "after all this, the server is there",
    rule="A new connection is answered, and a slot's availability is told.",
    source="Health checking: no or bad answer switches the integration off",
    hint="See the server's log for what brought it down.",
)
def _alive(t: Trial) -> None:
    with t.connected() as caller:
        answer = caller.health(caller.health_names[0])
        t.holds(answer.word not in GONE, "an answer", said(answer), answer)
        if t.can(CHECK):
            t.value(caller.check_availability(t.around.offers[0].slot))


# --- what no answer of the whole run may be ----------------------------------------------------------------------


def _never(t: Trial, wrong: Sequence[Answer[object]], rule: str) -> None:
    by_method = sorted({f"{answer.method}: {answer.flaw or said(answer)}" for answer in wrong})
    t.holds(not wrong, rule, "; ".join(by_method[:5]), wrong[0] if wrong else None)


@case(
    "robustness.no-unknown",
    "no answer is UNKNOWN",
    rule="Of all calls of this run, none ended with UNKNOWN, or with what is no message of its kind.",
    source=f"{_ANSWERED}; Status codes",
    hint="An exception reached the library: it sends UNKNOWN, often with the exception's text.",
)
def _no_unknown(t: Trial) -> None:
    _never(t, [answer for answer in t.around.calls if answer.word == UNKNOWN], "no UNKNOWN")


@case(
    "robustness.causes",
    "every refusal has its cause",
    rule="CAUSE_UNSPECIFIED is never sent: Google counts it as an error.",
    source="BookingFailure; Common issues",
    hint="A new enum's value 0 was sent because the cause was not set.",
)
def _causes(t: Trial) -> None:
    _never(t, [answer for answer in t.around.calls if answer.word == CAUSE_UNSPECIFIED], "a cause in each refusal")


@case(
    "robustness.one-thing",
    "every answer says one thing",
    rule="An answer has what was asked for, or a booking_failure: never both, never neither.",
    source="CreateLease; CreateBooking; UpdateBooking: booking_failure",
    hint="The answer's message is filled before the refusal is known.",
)
def _one_thing(t: Trial) -> None:
    flawed = [answer for answer in t.around.calls if answer.flaw and answer.word not in {UNKNOWN, CAUSE_UNSPECIFIED}]
    _never(t, flawed, "one thing in each answer")


@case(
    "robustness.no-insides",
    "no error tells of the server's insides",
    rule="Errors and descriptions hold no stack trace, no SQL, no path of a file, no name of an exception.",
    source="BookingFailure: description is for debugging; common practice",
    hint="The exception's text is put into the status: log it, and send a number by which you find it.",
)
def _no_insides(t: Trial) -> None:
    # Where nobody answered, the text is the calling library's own.
    refused = [answer for answer in t.around.calls if answer.word not in {OK, *GONE}]
    telling = [answer for answer in refused if INSIDES.search(answer.text or answer.came)]
    shown = sorted({f"{answer.method}: {answer.text or answer.came}"[:300] for answer in telling})
    t.holds(not telling, "no text from the inside", "; ".join(shown[:3]), telling[0] if telling else None)


@case(
    "robustness.in-time",
    "no call hangs",
    rule="Of all calls of this run, none was without an answer when its time was up (--timeout).",
    source="Launch and monitor: latency",
    hint="A lock is held while something else is waited for.",
)
def _in_time(t: Trial) -> None:
    _never(t, [answer for answer in t.around.calls if answer.word == DEADLINE_EXCEEDED], "an answer to each call")


def _given_name(user: User | None) -> str:
    return "" if user is None else user.given_name
