"""What everything that can be asked looks like: what it wants to see, and how it decides over a view."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from slotlease.domain.facts import Facts, Wanted
from slotlease.domain.view import View

AnswerT_co = TypeVar("AnswerT_co", covariant=True)


class Operation(ABC, Generic[AnswerT_co]):
    """One request, validated. `want` and `want_more` name what to prefetch: first by what the request says, then
    by what that found. `decide` is pure: all it knows is the view, and a refusal is an answer like any other."""

    __slots__ = ()

    writes: ClassVar[bool]

    @abstractmethod
    def want(self, wanted: Wanted) -> None: ...

    def want_more(self, facts: Facts, wanted: Wanted) -> None:
        """Most requests name everything at once."""

    @abstractmethod
    def decide(self, view: View) -> AnswerT_co: ...
