"""All faults there are."""

from __future__ import annotations

# Each makes its faults as it is imported.
from tests.verify.tampering import echoes, leases, lookups, spots, tokens, updates, words
from tests.verify.tampering.fault import FAULTS

__all__ = ["FAULTS", "echoes", "leases", "lookups", "spots", "tokens", "updates", "words"]
