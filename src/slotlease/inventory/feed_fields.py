"""One field of one JSON object: what may stand there, and what is said when something else does.

Feeds are proto3 written as JSON, so a field left out, null, or 0 where 0 means nothing, is a field not given. Google's
spelling is snake_case; other fields are refused by name, whether Google has them or not, since a field read over could
have changed what a caller must be answered.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from slotlease.inventory.feed_file import ABSENT, Faults, joined, quoted
from slotlease.inventory.feed_values import SECOND_US

ID_LENGTH_MAX = 255
_TEXT_LENGTH_MAX = 1_000
_INSTANT_MAX_S = 253_402_300_799
"""The last second of the year 9999, where RFC 3339 and a protobuf Timestamp end."""
_INSTANT_UNIT = " Unix seconds (the years 1970 to 9999)"

_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
_CAPITAL_INSIDE = re.compile(r"(?<=[a-z0-9])([A-Z])")


@dataclass(frozen=True)
class Message:
    """The fields of one message of Google's feeds. What is in none of these is no field of it."""

    name: str
    understood: frozenset[str]
    describes: frozenset[str] = frozenset()
    """Changes nothing that a booking server answers, and is read over."""
    not_yet: Mapping[str, str] = field(default_factory=dict)
    """Would change an answer, so it is refused; with what to do instead."""
    harmless: Mapping[str, str] = field(default_factory=dict)
    """Values of fields in `not_yet` that ask for what this server does anyway."""

    @cached_property
    def taken(self) -> frozenset[str]:
        """The fields that may hold anything as far as their names go."""
        return self.understood | self.describes

    @property
    def fields(self) -> frozenset[str]:
        return self.taken | self.not_yet.keys()


class Fields:
    """One JSON object at its place; reads its fields and notes what is wrong with them.

    A reading method answers with a harmless value where it noted a fault: nothing of a faulty feed is kept, and the
    other fields deserve their own faults.
    """

    __slots__ = ("_object", "faults", "place")

    def __init__(self, found: dict[str, Any], place: str, faults: Faults) -> None:
        self._object = found
        self.faults = faults
        self.place = place

    def fault(self, key: str, problem: str) -> None:
        self.faults.add(joined(self.place, key), self._object.get(key, ABSENT), problem)

    def raw(self, key: str) -> Any:
        """The value as JSON has it; None if it is null or not there."""
        return self._object.get(key)

    def inner(self, key: str, message: Message) -> Fields | None:
        value = self._object.get(key)
        return None if value is None else fields_of(value, joined(self.place, key), self.faults, message)

    def entries(self, key: str) -> list[Any]:
        value = self._object.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault(key, "must be a list of objects; write [{...}, ...]")
            return []
        return value

    def text(self, key: str, length_max: int = _TEXT_LENGTH_MAX) -> str:
        """The text there, or "" if none is given."""
        value = self._object.get(key)
        if value is None:
            return ""
        if isinstance(value, str) and len(value) <= length_max and value.isprintable():
            return value
        if not isinstance(value, str):
            self.fault(key, 'must be text; write it in quotes, as "1234"')
        elif len(value) > length_max:
            self.fault(key, f"is {len(value)} characters long; at most {length_max} are allowed, shorten it")
        elif _has_control_character(value):
            self.fault(key, "holds a control character, which no caller may send; remove it")
        else:
            return value
        return ""

    def id(self, key: str) -> str:
        """The id there; absent or empty is a fault."""
        if self._object.get(key) in (None, ""):
            self.fault(key, "is required and must not be empty; give the id that the booking server is called with")
            return ""
        return self.text(key, ID_LENGTH_MAX)

    def whole(self, key: str, low: int, high: int, unit: str = "") -> int | None:
        """The whole number there, written as one or as its decimal digits in quotes; None if none is given."""
        value = self._object.get(key)
        if value is None or (type(value) is int and low <= value <= high):
            return value
        if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
            value = int(value)
        if type(value) is not int:  # not isinstance: true is no number of spots
            self.fault(key, 'must be a whole number; write it as 1234 or "1234"')
            return None
        if not low <= value <= high:
            self.fault(key, f"must be from {low:,} to {high:,}{unit}; correct it")
            return None
        return value

    def required_whole(self, key: str, low: int, high: int, unit: str = "") -> int | None:
        """As `whole`, but absence is a fault; None means that a fault was noted."""
        if self._object.get(key) is None:
            self.fault(key, f"is required; give a whole number from {low:,} to {high:,}{unit}")
        return self.whole(key, low, high, unit)

    def has(self, key: str) -> bool:
        return self._object.get(key) is not None

    def instant_us(self, key: str) -> int | None:
        """A moment given in Unix seconds; 0 is proto3's word for none."""
        value = self.whole(key, 0, _INSTANT_MAX_S, _INSTANT_UNIT)
        return value * SECOND_US if value else None

    def required_instant_us(self, key: str) -> int:
        return (self.required_whole(key, 1, _INSTANT_MAX_S, _INSTANT_UNIT) or 0) * SECOND_US

    def is_one_of(self, key: str, meanings: Mapping[str, bool], advice: str) -> bool:
        """What the enum's name there stands for; False if none is given."""
        value = self._object.get(key)
        if _is_unset(value):
            return False
        if not isinstance(value, str) or value not in meanings:
            self.fault(key, f"this version does not understand {quoted(value)} yet; {advice}")
            return False
        return meanings[value]

    def flag(self, key: str, absent: bool) -> bool:
        value = self._object.get(key)
        if value is None:
            return absent
        if not isinstance(value, bool):
            self.fault(key, "must be true or false, without quotes")
            return absent
        return value


def fields_of(value: object, place: str, faults: Faults, message: Message) -> Fields | None:
    """The object at this place, every field of it judged by its name; None if there is no object."""
    if not isinstance(value, dict):
        faults.add(place, value, f"must be an object, one {message.name} of Google's feeds; write {{...}}")
        return None
    fields = Fields(value, place, faults)
    if value.keys() <= message.taken:
        return fields
    for key, found in value.items():
        if key in message.taken:
            continue
        if key not in message.not_yet:
            fields.fault(key, _no_such_field(key, message))
        elif not _is_unset(found) and found != message.harmless.get(key):
            fields.fault(key, f'this version does not understand "{key}" yet; remove it, or {message.not_yet[key]}')
    return fields


def _no_such_field(key: str, message: Message) -> str:
    # A feed printed by a protobuf library's default settings has camelCase names.
    snake = _CAPITAL_INSIDE.sub(r"_\1", key).lower()
    if snake in message.fields:
        return f'is spelt "{snake}" in Google\'s feeds; spell it so'
    return f"{quoted(key)} is no field of Google's {message.name}; correct its spelling or remove it"


def _is_unset(value: object) -> bool:
    """Whether proto3 reads the value as the field's default: somebody wrote the field only to leave it empty."""
    if isinstance(value, str):
        return value in ("", "0") or value.endswith("_UNSPECIFIED")
    return value in (None, 0, [])


def _has_control_character(text: str) -> bool:
    # A lone surrogate (Cs) has no UTF-8, so it could be neither stored nor sent.
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in text)
