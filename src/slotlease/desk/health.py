"""Whether the server calls itself healthy. Neither one slow disk nor one lucky write turns it: Google switches an
integration off over a bad answer (reliability, finding 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GOOD_PROBES_MIN: Final = 3
"""So many writes in a row must have worked before a server that was unwell says SERVING again."""


@dataclass(frozen=True, slots=True)
class Health:
    """`failing_since_s` is when the first of the probes began that have failed without one between them that worked."""

    serving: bool = True
    failing_since_s: float | None = None
    good_probes: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """One attempt to write, on the monotonic clock. One that has not come back counts as one that failed."""

    good: bool
    began_s: float
    now_s: float


def after(health: Health, probe: Probe, *, patience_s: float) -> Health:
    """What the probe makes of it. Failing for `patience_s` on end ends SERVING."""
    if probe.good:
        good_probes = min(health.good_probes + 1, GOOD_PROBES_MIN)
        return Health(health.serving or good_probes == GOOD_PROBES_MIN, None, good_probes)
    since_s = probe.began_s if health.failing_since_s is None else health.failing_since_s
    return Health(health.serving and probe.now_s - since_s < patience_s, since_s, 0)
