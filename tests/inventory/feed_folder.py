"""A folder of small feed files in Google's format, for tests to write and change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slotlease.inventory.feed import FeedError, FeedMerchant, FeedRefused, FeedService, FeedSlot, read_feed

SECOND_US = 1_000_000
GENERATED_S = 1_740_000_000
START_S = 1_740_820_000

MERCHANT = {"merchant_id": "m1", "name": "Example Gym"}
SERVICE = {"merchant_id": "m1", "service_id": "s1", "localized_service_name": {"value": "Yoga"}}
SLOT: dict[str, Any] = {
    "merchant_id": "m1",
    "service_id": "s1",
    "start_sec": START_S,
    "duration_sec": 3600,
    "spots_total": 12,
    "spots_open": 12,
}


def metadata(shard: int = 0, shards: int = 1, nonce: str | int = "", generated_s: int = GENERATED_S) -> dict[str, Any]:
    return {
        "processing_instruction": "PROCESS_AS_COMPLETE",
        "shard_number": shard,
        "total_shards": shards,
        "nonce": nonce,
        "generation_timestamp": generated_s,
    }


def changed(entry: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    """A copy of the entry with the value at a dotted place, objects on the way made where they are not there."""
    copy: dict[str, Any] = deepcopy(entry)
    *way, last = place.split(".")
    inner = copy
    for key in way:
        inner = inner.setdefault(key, {})
    inner[last] = value
    return copy


def without(entry: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != key}


@dataclass(frozen=True)
class WholeFeed:
    """Everything that a feed says, in memory, to be looked at and compared."""

    merchants: tuple[FeedMerchant, ...]
    services: tuple[FeedService, ...]
    slots: dict[str, tuple[FeedSlot, ...]]
    """By merchant_id, a merchant's by natural key."""
    merchants_generation_us: int | None
    services_generation_us: int | None
    slots_generation_us: int | None


def read_whole(paths: Iterable[Path | str], **options: Any) -> WholeFeed:
    with read_feed(paths, **options) as feed:
        slots = {
            merchant_id: tuple(sorted((slot for slot, _ in feed.slots_of(merchant_id)), key=lambda s: s.natural_key))
            for merchant_id in feed.merchants_with_slots
        }
        assert feed.slots_total == sum(map(len, slots.values()))
        return WholeFeed(
            tuple(feed.merchants),
            tuple(feed.services),
            slots,
            feed.merchants_generation_us,
            feed.services_generation_us,
            feed.slots_generation_us,
        )


class FeedFolder:
    """One merchant, one service and one slot, unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, feed: object) -> Path:
        path = self.folder / name
        path.write_text(feed if isinstance(feed, str) else json.dumps(feed), encoding="utf-8")
        return path

    def merchants(self, *entries: object) -> Path:
        return self.write("merchants.json", {"metadata": metadata(), "merchant": entries or [MERCHANT]})

    def services(self, *entries: object) -> Path:
        return self.write("services.json", {"metadata": metadata(), "service": entries or [SERVICE]})

    def availability(self, *entries: object, name: str = "slots.json", **meta: Any) -> Path:
        slots = {"metadata": metadata(**meta), "service_availability": [{"availability": entries or [SLOT]}]}
        return self.write(name, slots)

    def refusal(self, *paths: Path, **options: Any) -> tuple[FeedError, ...]:
        with pytest.raises(FeedRefused) as refused:
            read_whole(paths, **options)
        return refused.value.errors

    def slot_refusal(self, *slots: object, **options: Any) -> list[FeedError]:
        """The errors of a feed of these slots; all of them must stand in its file."""
        path = self.availability(*slots)
        errors = self.refusal(self.merchants(), self.services(), path, **options)
        assert {error.file for error in errors} == {str(path)}
        return list(errors)

    def slot(self, **fields: object) -> FeedSlot:
        """The one slot of a feed, read with these fields changed."""
        feed = read_whole([self.merchants(), self.services(), self.availability(SLOT | fields)])
        (found,) = feed.slots["m1"]
        return found
