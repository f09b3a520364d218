"""What is asked of a server, and what its answers must be: one workload after the other (docs/performance.md)."""

from __future__ import annotations

import math
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from random import Random

from bench.inventory import Inventory
from bench.requests import LOOKED_UP, LOOKUP_STAFF, TOKEN_LETTERS, Kind, Planned
from bench.tape import Call

Plan = Callable[[Inventory, Random], Iterator[Planned]]
Seen = Sequence[tuple[Planned, Call]]
Audit = Callable[[Inventory, Seen], list[str]]

ZIPF_EXPONENT = 1.1
REPEATED, RECENT = 0.2, 1000
"""Of the requests of lease-replay: how many repeat one of the last so many."""

SHORT_LEASE_S = 2
CERTAINLY_LIVE_NS = (SHORT_LEASE_S - 1) * 1_000_000_000
"""A lease ends on a whole second, so it may lose almost one."""


@dataclass(frozen=True, slots=True)
class Workload:
    """`plan` goes on for ever. `audit` says what is wrong with the answers, or nothing. With `cycles` a few thousand
    requests are asked over and over, since they change nothing. `options` are the server's."""

    name: str
    plan: Plan
    audits: tuple[Audit, ...] = ()
    inventory: Inventory = Inventory()  # noqa: RUF009 - frozen
    cycles: bool = False
    options: tuple[str, ...] = ()
    crashes: bool = False

    def requests(self, inventory: Inventory, seed: str) -> Iterator[Planned]:
        """The same from the same seed."""
        return self.plan(inventory, Random(seed))


# --- which slots -------------------------------------------------------------------------------------------------


def uniform(inventory: Inventory, random: Random) -> Iterator[int]:
    return (random.randrange(inventory.slots) for _ in count())


def zipf(inventory: Inventory, random: Random) -> Iterator[int]:
    """Number n is asked for n^1.1 times less often than number 1."""
    sums = list(accumulate(1 / (rank + 1) ** ZIPF_EXPONENT for rank in range(inventory.slots)))
    return (bisect(sums, random.random() * sums[-1]) for _ in count())


def first(_inventory: Inventory, _random: Random) -> Iterator[int]:
    return (0 for _ in count())


# --- what is asked -----------------------------------------------------------------------------------------------


def token(random: Random) -> str:
    return f"{random.getrandbits(4 * TOKEN_LETTERS):0{TOKEN_LETTERS}x}"


def leases(slots: Callable[[Inventory, Random], Iterator[int]]) -> Plan:
    def plan(inventory: Inventory, random: Random) -> Iterator[Planned]:
        return (Planned(Kind.LEASE, slot, token(random)) for slot in slots(inventory, random))

    return plan


def echoes(inventory: Inventory, random: Random) -> Iterator[Planned]:
    return (Planned(Kind.ECHO, slot, token(random)) for slot in uniform(inventory, random))


def checks(inventory: Inventory, random: Random) -> Iterator[Planned]:
    return (Planned(Kind.CHECK, slot) for slot in zipf(inventory, random))


def lookups(inventory: Inventory, random: Random) -> Iterator[Planned]:
    return (Planned(Kind.LOOKUP, slot) for slot in uniform(inventory, random))


def replays(inventory: Inventory, random: Random) -> Iterator[Planned]:
    recent: list[Planned] = []
    for slot in uniform(inventory, random):
        if recent and random.random() < REPEATED:
            yield random.choice(recent)
            continue
        planned = Planned(Kind.LEASE, slot, token(random))
        recent = [*recent[1 - RECENT :], planned] if len(recent) >= 2 * RECENT else [*recent, planned]
        yield planned


def bookings(inventory: Inventory, random: Random) -> Iterator[Planned]:
    for slot in uniform(inventory, random):
        yield Planned(Kind.LEASE, slot, token(random))
        yield Planned(Kind.BOOK, slot, token(random), chained=True)


def mixed(inventory: Inventory, random: Random) -> Iterator[Planned]:
    """Of a hundred: 80 ask whether a slot is free, 12 lease, 6 book one of those leases, and 2 lease without wanting to
    book."""
    for slot in zipf(inventory, random):
        drawn = random.random() * 94  # the bookings follow leases
        if drawn < 80:
            yield Planned(Kind.CHECK, slot)
            continue
        yield Planned(Kind.LEASE, slot, token(random))
        if drawn < 86:
            yield Planned(Kind.BOOK, slot, token(random), chained=True)


# --- what must hold of the answers ------------------------------------------------------------------------------


def one_token_one_id(_inventory: Inventory, seen: Seen) -> list[str]:
    """The same request the same id, another request another id."""
    given: defaultdict[tuple[Kind, str], set[str]] = defaultdict(set)
    for planned, call in seen:
        if call.told == "i":
            given[planned.kind, planned.token].add(call.text)
    wrong = [f"{key} was given {ids}" for key, ids in given.items() if len(ids) > 1]
    times = Counter(one for ids in given.values() for one in ids)
    return wrong + [f"{one} was given to {number} tokens" for one, number in times.items() if number > 1]


def never_above_capacity(inventory: Inventory, seen: Seen) -> list[str]:
    """For leases that all outlast the measurement."""
    granted: defaultdict[int, set[str]] = defaultdict(set)
    for planned, call in seen:
        if planned.kind is Kind.LEASE and call.told == "i":
            granted[planned.slot].add(call.text)
    spots = inventory.spots
    return [f"slot {slot}: {len(ids)} of {spots} spots leased" for slot, ids in granted.items() if len(ids) > spots]


def nothing_granted(_inventory: Inventory, seen: Seen) -> list[str]:
    granted = sum(call.told == "i" for _, call in seen)
    return [f"{granted} leases of a slot that is full"] if granted else []


def some_refused(_inventory: Inventory, seen: Seen) -> list[str]:
    """Without which a workload about scarcity shows nothing."""
    return [] if any(call.told == "c" for _, call in seen) else ["no slot ran full: measure for longer"]


def capacity_comes_back(inventory: Inventory, seen: Seen) -> list[str]:
    """Leases of SHORT_LEASE_S: never more at once than there are spots, and over time more than that."""
    changes: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    granted: Counter[int] = Counter()
    for planned, call in seen:
        if call.told == "i":
            granted[planned.slot] += 1
            # Decided between the two, so certainly live from the answer on.
            if call.end_ns < call.due_ns + CERTAINLY_LIVE_NS:
                changes[planned.slot] += [(call.end_ns, 1), (call.due_ns + CERTAINLY_LIVE_NS, -1)]
    most = {slot: max(accumulate(change for _, change in sorted(moments))) for slot, moments in changes.items()}
    wrong = [f"slot {slot}: {live} leases live at once" for slot, live in most.items() if live > inventory.spots]
    if not any(number > inventory.spots for number in granted.values()):
        wrong.append("no slot was leased more often than it has spots: capacity did not come back")
    return wrong


def all_booked(_inventory: Inventory, seen: Seen) -> list[str]:
    """A lease that was just granted can be booked."""
    refused = [call for planned, call in seen if planned.kind is Kind.BOOK and call.is_answered and call.told != "i"]
    return [f"{len(refused)} bookings of live leases were refused, the first: {refused[0]}"] if refused else []


def all_looked_up(_inventory: Inventory, seen: Seen) -> list[str]:
    short = [call for _, call in seen if call.is_answered and call.counted != LOOKED_UP]
    return [f"{len(short)} lookups were not answered for every slot, the first: {short[0]}"] if short else []


SCARCE = Inventory(spots=5)
SALON = Inventory(slots=10 * 41 * 28, spots=1, staff=LOOKUP_STAFF, taken=3_000)
"""Four weeks of ten merchants; a quarter is taken."""
_LEASES = (one_token_one_id, never_above_capacity)

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("echo", echoes, cycles=True),
        Workload("lease-uniform", leases(uniform), _LEASES),
        Workload("lease-zipf", leases(zipf), _LEASES),
        Workload("lease-hot", leases(first), _LEASES),
        Workload("lease-full", leases(first), (nothing_granted,), Inventory(slots=10, spots=10_000, held=10_000)),
        Workload("lease-scarce", leases(zipf), (*_LEASES, some_refused), SCARCE),
        Workload("lease-replay", replays, (one_token_one_id,)),
        Workload("lease-book", bookings, (one_token_one_id, all_booked)),
        Workload(
            "lease-expire",
            leases(zipf),
            (one_token_one_id, capacity_comes_back),
            Inventory(slots=1000, spots=5),
            options=("--lease-min", "1s", "--lease-max", "2s", "--lease-default", "2s", "--sweep-interval", "1s"),
        ),
        Workload("check", checks, cycles=True),
        Workload("batch-lookup", lookups, (all_looked_up,), SALON, cycles=True),
        Workload("mix", mixed, (one_token_one_id, never_above_capacity), Inventory(spots=20)),
        Workload("crash", leases(uniform), _LEASES, crashes=True),
        *(
            Workload(f"lease-{name}", leases(uniform), _LEASES, inventory)
            for name, inventory in {
                "1m-slots": Inventory(slots=1_000_000),
                "10m-slots": Inventory(slots=10_000_000),
                "10k-merchants": Inventory(merchants=10_000),
            }.items()
        ),
        # Nobody sweeps them meanwhile.
        Workload(
            "lease-1m-expired",
            leases(uniform),
            _LEASES,
            Inventory(expired=1_000_000),
            options=("--sweep-interval", "0"),
        ),
    )
}


def quantile(ordered: Sequence[float], part: float) -> float:
    """0 where there is nothing."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else 0.0
