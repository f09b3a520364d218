"""What a fault is: a way to misbehave, and the cases that must say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import grpc


class Refused(Exception):
    """The call ends with this status and this text."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True)
class Call:
    """A request on its way. `request` is None where its bytes are no message; `kept` is what the fault remembers of
    earlier calls. `ask` sends any request to the real server, and gives its answer; raises Refused."""

    method: str
    request: Any
    kept: dict[Any, Any]
    ask: Callable[[Any], Any]
    pass_on: Callable[[], Any]


Tamper = Callable[[Call], Any]


@dataclass(frozen=True)
class Fault:
    """`methods` are those that it spoils. `fails`, `warns` and `stops` (not tried, as what it builds on failed) name
    the cases that must end so, the last one by the left part of an id if need be; all others must pass or be skipped.
    `beside` names groups that are run besides those of the named cases. Those that wait for leases to end are run where
    it `waits`."""

    tamper: Tamper
    waits: bool
    methods: frozenset[str]
    fails: frozenset[str]
    warns: frozenset[str]
    stops: frozenset[str]
    beside: frozenset[str]

    @property
    def name(self) -> str:
        return self.tamper.__name__.replace("_", " ")

    @property
    def groups(self) -> frozenset[str]:
        return self.beside | {name.partition(".")[0] for name in self.fails | self.warns | self.stops}


FAULTS: Final[list[Fault]] = []


def fault(
    *methods: str,
    fails: str = "",
    warns: str = "",
    stops: str = "",
    beside: str = "",
    waits: bool = False,
) -> Callable[[Tamper], Tamper]:
    """Makes a function a fault; names are words with spaces between."""

    def keep(tamper: Tamper) -> Tamper:
        named = (frozenset(words.split()) for words in (fails, warns, stops, beside))
        FAULTS.append(Fault(tamper, waits, frozenset(methods), *named))
        return tamper

    return keep


@dataclass
class Memory:
    """What is spoilt at the moment, and what that fault remembers."""

    fault: Fault | None = None
    kept: dict[Any, Any] = field(default_factory=dict)
