"""All cases there are, in the order in which they run."""

from __future__ import annotations

from typing import Final

# Each makes its cases as it is imported.
from slotlease.verify import (
    cases_availability,
    cases_booking,
    cases_connection,
    cases_latency,
    cases_lease,
    cases_lease_ends,
    cases_lost,
    cases_race,
    cases_robustness,
    cases_update,
)
from slotlease.verify.case import CASES, Case

_IN_ORDER: Final = (
    cases_connection,
    cases_availability,
    cases_lease,
    cases_lease_ends,
    cases_booking,
    cases_update,
    cases_race,
    cases_lost,
    cases_robustness,
    cases_latency,
)
"""By group; whichever of them somebody imported first."""


def every_case() -> list[Case]:
    """By group; within one as they are written."""
    place = {module.__name__: number for number, module in enumerate(_IN_ORDER)}
    return sorted(CASES, key=lambda case: place[case.tried.__module__])
