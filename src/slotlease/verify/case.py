"""What a case is, and how one can end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slotlease.verify.answer import Answer
    from slotlease.verify.trial import Trial

GROUPS: Final = ("connection", "availability", "lease", "booking", "race", "lost", "robustness", "latency")
"""In the order in which they run."""


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105 - an outcome
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"
    """By choice, or because it has no object here: the version or the server has no such thing, or nobody asked."""
    NOT_TRIED = "not tried"
    """It should have been, and could not: no slot for it in the feed, or what it builds on failed."""


@dataclass(frozen=True, slots=True)
class Until:
    """What a case yields to wait for an instant (microseconds since 1970 UTC); others that wait go on meanwhile."""

    at_us: int


Tried = Callable[["Trial"], Iterator[Until] | None]


@dataclass(frozen=True, slots=True)
class Case:
    """`rule` is what must hold, `source` Google's page (its name and the version) that says so, `hint` the usual cause
    of a failure. One that is not `required` can only warn. `needs` are the methods without which it has no object."""

    id: str
    title: str
    rule: str
    source: str
    hint: str
    tried: Tried
    needs: frozenset[str]
    required: bool
    waits: bool

    def lacks(self, methods: AbstractSet[str]) -> str:
        """The first of its needs that is not among these methods; empty where none is. A need may be "one or other"."""
        return next((need for need in sorted(self.needs) if not methods & set(need.split(" or "))), "")

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]

    def chosen_by(self, names: frozenset[str]) -> bool:
        """Whether one of these is its id, its group, or a part of its id from the left (`lease.token`)."""
        return any(self.id == name or self.id.startswith(f"{name}.") for name in names)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a case found not to be so. `answer` is the one that shows it, where one does."""

    expected: str
    came: str
    answer: Answer[object] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How one case ended. `why` says why it was not tried; `calls` are all that it made, in order."""

    case: Case
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    why: str = ""
    calls: tuple[Answer[object], ...] = ()
    notes: tuple[str, ...] = ()
    took_s: float = 0.0


CASES: Final[list[Case]] = []
"""Every case, in the order in which they are written; `cases.every_case` gives them in the order of GROUPS."""


def case(  # noqa: PLR0913 - what a page says of each case
    id: str,  # noqa: A002 - it is called so wherever a case is named
    title: str,
    *,
    rule: str,
    source: str,
    hint: str,
    needs: tuple[str, ...] = (),
    required: bool = True,
    waits: bool = False,
) -> Callable[[Tried], Tried]:
    """Makes a function a case."""

    def keep(tried: Tried) -> Tried:
        CASES.append(Case(id, title, rule, source, hint, tried, frozenset(needs), required, waits))
        return tried

    return keep
