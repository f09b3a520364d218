"""All cases there are, in the order in which they run."""

from __future__ import annotations

# Each makes its cases as it is imported.
from slotlease.verify import (  # noqa: F401 - see above
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
from slotlease.verify.case import CASES, GROUPS, Case


def every_case() -> list[Case]:
    """By group; within one as they are written."""
    return sorted(CASES, key=lambda case: GROUPS.index(case.group))
