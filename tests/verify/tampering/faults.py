"""All faults there are."""

from __future__ import annotations

# Each makes its faults as it is imported.
from tests.verify.tampering import (
    crowds,
    echoes,
    inputs,
    leases,
    lookups,
    manners,
    spots,
    tokens,
    updates,
    version_0,
    version_3,
    words,
)
from tests.verify.tampering.fault import FAULTS

__all__ = [
    "FAULTS",
    "crowds",
    "echoes",
    "inputs",
    "leases",
    "lookups",
    "manners",
    "spots",
    "tokens",
    "updates",
    "version_0",
    "version_3",
    "words",
]
