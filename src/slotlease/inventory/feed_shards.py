"""Whether the files given are the shards of one feed, each once and none missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from slotlease.inventory.feed_file import Faults, joined, quoted
from slotlease.inventory.feed_rules import Metadata
from slotlease.inventory.feed_values import SECOND_US

Shard = tuple[Metadata, Faults]


class Where(NamedTuple):
    """A place in one file, and who hears of what is wrong there."""

    faults: Faults
    place: str

    def fault(self, key: str, value: object, problem: str) -> None:
        self.faults.add(joined(self.place, key) if key else self.place, value, problem)

    def seen_from(self, other: Where) -> str:
        return self.place if self.faults is other.faults else f"{self.place} of {self.faults.file}"


def are_of_one_feed(shards: Sequence[Shard]) -> bool:
    """Google: every shard of one feed has the same nonce, count and generation, and a complete feed replaces others."""
    first, first_file = shards[0]
    errors_before = sum(faults.count for _, faults in shards)
    for metadata, faults in shards[1:]:
        where = Where(faults, "metadata")
        for key, value, expected in (
            ("nonce", metadata.nonce, first.nonce),
            ("total_shards", metadata.shards, first.shards),
            ("generation_timestamp", metadata.generation_us // SECOND_US, first.generation_us // SECOND_US),
        ):
            if value != expected:
                problem = f"differs from that of {first_file.file}, {quoted(expected)}; "
                where.fault(key, value, problem + "import the shards of one complete feed together, and no other's")
    return errors_before == sum(faults.count for _, faults in shards)


def are_there_once(shards: Sequence[Shard], *, missing_too: bool) -> bool:
    """`missing_too`: whether one that is missing is complained of, besides being told."""
    holders: dict[int, Faults] = {}
    for metadata, faults in shards:
        holder = holders.setdefault(metadata.shard, faults)
        if holder is not faults:
            problem = f"is the shard that {holder.file} holds already; give every shard once, and one feed of a kind"
            Where(faults, "metadata").fault("shard_number", metadata.shard, problem)
    first, first_file = shards[0]
    missing = [str(number) for number in range(first.shards) if number not in holders]
    if missing and missing_too:
        problem = f"says that there are more shards than were given; give these too: {', '.join(missing)}"
        Where(first_file, "metadata").fault("total_shards", first.shards, problem)
    return len(holders) == len(shards) and not missing
