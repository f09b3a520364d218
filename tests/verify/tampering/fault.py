"""What a fault is: a way to misbehave, and the cases that must say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from slotlease.verify.shop import Version


class Refused(Exception):
    """The call ends with this status and this text."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True)
class Call:
    """A request on its way. `request` is None where its bytes, `raw`, are no message of ours; `peer` is the connection;
    `kept` is what the fault remembers of earlier calls. `ask` sends any request to the real server, `pass_on` the one
    that came, as it is by then; both give the answer and raise Refused."""

    method: str
    request: Any
    raw: bytes
    peer: str
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
    version: Version
    timeout_s: float
    methods: frozenset[str]
    fails: frozenset[str]
    warns: frozenset[str]
    stops: frozenset[str]
    beside: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.tamper.__name__.replace('_', ' ')}, {self.version.value}"

    @property
    def groups(self) -> frozenset[str]:
        """What is run for it. Of what takes long, only the cases that are named."""
        named = self.fails | self.warns | self.stops
        groups = {name.partition(".")[0] for name in named}
        return self.beside | (groups - SLOW) | {name for name in named if name.partition(".")[0] in SLOW}


V2_AND_V3: Final = (Version.V2, Version.V3)
SLOW: Final = frozenset({"connection", "race", "lost", "robustness", "latency"})

FAULTS: Final[list[Fault]] = []


def fault(
    *methods: str,
    fails: str = "",
    warns: str = "",
    stops: str = "",
    beside: str = "",
    waits: bool = False,
    versions: tuple[Version, ...] = (Version.V2,),
    timeout_s: float = 5.0,
) -> Callable[[Tamper], Tamper]:
    """Makes a function a fault; names are words with spaces between."""

    def keep(tamper: Tamper) -> Tamper:
        named = [frozenset(words.split()) for words in (fails, warns, stops, beside)]
        FAULTS.extend(Fault(tamper, waits, version, timeout_s, frozenset(methods), *named) for version in versions)
        return tamper

    return keep


@dataclass
class Memory:
    """What is spoilt at the moment, and what that fault remembers."""

    fault: Fault | None = None
    kept: dict[Any, Any] = field(default_factory=dict)
