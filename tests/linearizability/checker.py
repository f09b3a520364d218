"""Is there one order of all calls in which a plain model gives the answers that were given, and in which no call comes
after one that began when it had ended (linearizability)?

The search is that of Wing and Gong with Lowe's just-in-time order: events are taken as they happened, a call is given
its place no earlier than some call that ends needs it, and two ways to the same state with the same calls placed are
one. A call without an end may have happened at any time since it began, or never.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

CONFIGURATIONS_MAX = 200_000

StateT = TypeVar("StateT", bound=Hashable)
AskedT = TypeVar("AskedT")
ModelAskedT_contra = TypeVar("ModelAskedT_contra", contravariant=True)
Told = Hashable


class Unknown(Enum):
    ANSWER = "unknown"


UNKNOWN = Unknown.ANSWER
"""Nobody was told: the call may have happened or not."""


@dataclass(frozen=True, slots=True)
class Call(Generic[AskedT]):
    """`began` and `ended` are places in the one order in which this process saw things happen. A call whose answer is
    UNKNOWN has no end that says anything, so its `ended` is None."""

    asked: AskedT
    told: Told
    began: int
    ended: int | None


class Model(Protocol[StateT, ModelAskedT_contra]):
    def step(self, state: StateT, asked: ModelAskedT_contra, /) -> tuple[Told, StateT]:
        """The answer that is due, and what follows."""

    def is_harmless(self, state: StateT, asked: ModelAskedT_contra, told: Told, /) -> bool:
        """Whether the call, if it gets this answer (UNKNOWN: whatever it gets), changes neither this state nor any that
        can follow: then it loses nothing by being placed at once."""


@dataclass(frozen=True, slots=True)
class Violation(Generic[AskedT]):
    """At the end of `call` no order is left. `due` are the answers that the model would have given it there."""

    call: Call[AskedT]
    due: frozenset[Told]
    meanwhile: tuple[Call[AskedT], ...]

    def __str__(self) -> str:
        lines = [f"{self.call} is impossible; possible: {sorted(map(str, self.due))}", "with these under way:"]
        return "\n  ".join([*lines, *map(str, self.meanwhile)])


class TooWide(Exception):
    """More possibilities than this search will follow: ask for shorter histories or fewer callers."""


Placed = frozenset[int]
"""Calls under way that have their place already, by their number in the history."""


def find_violation(
    history: Sequence[Call[AskedT]], model: Model[StateT, AskedT], start: StateT
) -> Violation[AskedT] | None:
    """None where the history is linearizable. Raises TooWide."""
    search = _Search(history, model)
    possible: set[tuple[StateT, Placed]] = {(start, frozenset())}
    under_way: dict[int, Call[AskedT]] = {}
    for ends, number in _events(history):
        if not ends:
            under_way[number] = history[number]
            continue
        following = search.place(possible, under_way, number)
        call = under_way.pop(number)
        if not following:
            due = frozenset(model.step(state, call.asked)[0] for state, _ in search.seen)
            return Violation(call, due, tuple(under_way.values()))
        possible = following
    return None


def _events(history: Sequence[Call[AskedT]]) -> Iterator[tuple[bool, int]]:
    moments = [(call.began, False, number) for number, call in enumerate(history)]
    moments += [(call.ended, True, number) for number, call in enumerate(history) if call.ended is not None]
    return ((ends, number) for _, ends, number in sorted(moments))


class _Search(Generic[StateT, AskedT]):
    def __init__(self, history: Sequence[Call[AskedT]], model: Model[StateT, AskedT]) -> None:
        self._history = history
        self._model = model
        self.seen: set[tuple[StateT, Placed]] = set()

    def place(
        self, possible: Iterable[tuple[StateT, Placed]], under_way: Iterable[int], ending: int
    ) -> set[tuple[StateT, Placed]]:
        """Every way in which `ending` can have its place by now, and those placed before it that must be."""
        waiting = list(under_way)
        self.seen.clear()
        todo = [(state, self._with_harmless(state, placed, waiting)) for state, placed in possible]
        following: set[tuple[StateT, Placed]] = set()
        while todo:
            at = todo.pop()
            if at in self.seen:
                continue
            self.seen.add(at)
            if len(self.seen) > CONFIGURATIONS_MAX:
                raise TooWide
            state, placed = at
            if ending in placed:
                following.add((state, placed - {ending}))
                continue
            todo += self._steps(state, placed, waiting)
        return following

    def _steps(self, state: StateT, placed: Placed, waiting: list[int]) -> Iterator[tuple[StateT, Placed]]:
        for number in waiting:
            if number in placed:
                continue
            call = self._history[number]
            due, after = self._model.step(state, call.asked)
            # What nobody was told and nothing shows need not be placed: it may as well never have happened.
            if call.told == due or (call.told is UNKNOWN and after != state):
                yield after, self._with_harmless(after, placed | {number}, waiting)

    def _with_harmless(self, state: StateT, placed: Placed, waiting: list[int]) -> Placed:
        fits: Callable[[Call[AskedT]], bool] = lambda call: (  # noqa: E731 - too small for a method
            self._model.is_harmless(state, call.asked, call.told)
            and call.told in (UNKNOWN, self._model.step(state, call.asked)[0])
        )
        return placed.union(n for n in waiting if n not in placed and fits(self._history[n]))
