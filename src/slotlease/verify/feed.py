"""Reads what a partner offers from Google's availability feed (JSON, gzip or not)."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from slotlease.verify.shop import SECOND_US, Offer, Resources, Slot

OCCURRENCES_MAX: Final = 200
"""Of one recurrence: more would not be used."""

_GZIP: Final = b"\x1f\x8b"
_HUMP: Final = re.compile(r"([A-Z])")


class FeedUnreadable(Exception):
    """The file is no availability feed; the text says which file, what is wrong, and what to do."""


def read_offers(paths: Iterable[Path], now_us: int) -> tuple[list[Offer], list[Offer]]:
    """The slots of the feeds that begin after `now_us` (microseconds since 1970 UTC): those with an open spot, and the
    full ones, each by start. Entries that mean to delete (`_restrict` fields) are nobody's concern here. Raises
    FeedUnreadable."""
    offers = [offer for path in paths for offer in _offers(path, now_us)]
    if not offers:
        raise FeedUnreadable(
            "no slot in the availability feeds begins after now: give a feed of today (Google asks for 30 days ahead)"
        )
    offers.sort(key=lambda offer: offer.slot.start_us)
    return [one for one in offers if one.spots_open > 0], [one for one in offers if one.spots_open <= 0]


def _offers(path: Path, now_us: int) -> Iterator[Offer]:
    feed = _snake(_json(path))
    parts = feed.get("service_availability") if isinstance(feed, dict) else None
    if not isinstance(parts, list):
        raise FeedUnreadable(
            f"{path} has no service_availability: it is no availability feed; give the file that goes to Google as such"
        )
    for part in parts:
        for entry in part.get("availability", ()) if isinstance(part, dict) else ():
            try:
                yield from _occurrences(entry, now_us)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                shown = json.dumps(entry)[:200]
                raise FeedUnreadable(f"{path}: this entry cannot be read ({error!r}): {shown}") from error


def _json(path: Path) -> Any:
    try:
        content = path.read_bytes()
        return json.loads(gzip.decompress(content) if content.startswith(_GZIP) else content)
    except OSError as error:
        raise FeedUnreadable(f"{path} cannot be read ({error.strerror or error}); give a file that is there") from error
    except (ValueError, EOFError) as error:
        raise FeedUnreadable(f"{path} is no JSON ({error}); give the feed as Google gets it, in JSON") from error


def _snake(value: Any) -> Any:
    """Names as Google's samples have them: protobuf prints them in lowerCamelCase unless told not to."""
    match value:
        case dict():
            return {_HUMP.sub(r"_\1", name).lower(): _snake(one) for name, one in value.items()}
        case list():
            return [_snake(one) for one in value]
        case _:
            return value


def _occurrences(entry: Mapping[str, Any], now_us: int) -> Iterator[Offer]:
    """A recurrence stands for slots of one spot; `schedule_exception` says which of them are taken."""
    start_s, duration_s = int(entry["start_sec"]), int(entry["duration_sec"])
    recurrence = entry.get("recurrence")
    starts = [start_s]
    total, spots_open = int(entry.get("spots_total", 1)), int(entry.get("spots_open", 0))
    if recurrence:
        every_s, until_s = int(recurrence["repeat_every_sec"]), int(recurrence["repeat_until_sec"])
        first = max(0, -(-(now_us // SECOND_US - start_s) // every_s))
        every_one = range(start_s + first * every_s, until_s + 1, every_s)
        starts, total, spots_open = list(every_one[:OCCURRENCES_MAX]), 1, 1
    taken = [
        (int(one["time_range"]["begin_sec"]), int(one["time_range"]["end_sec"]))
        for one in entry.get("schedule_exception", ())
    ]
    for start in starts:
        if start * SECOND_US <= now_us:
            continue
        blocked = any(begin < start + duration_s and start < end for begin, end in taken)
        slot = Slot(
            str(entry["merchant_id"]),
            str(entry["service_id"]),
            start * SECOND_US,
            duration_s * SECOND_US,
            str(entry.get("availability_tag", "")),
            _resources(entry.get("resources")),
        )
        yield Offer(slot, 0 if blocked else spots_open, total)


def _resources(given: Mapping[str, Any] | None) -> Resources | None:
    """Names of staff and rooms are for people: they name no slot."""
    if not given:
        return None
    ids = str(given.get("staff_id", "")), str(given.get("room_id", ""))
    return Resources(*ids, int(given.get("party_size", 0)))
