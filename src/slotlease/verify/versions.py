"""Which callers there are, and what each version has a name for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from slotlease.verify.caller import Dial
from slotlease.verify.caller_v0 import CallerV0
from slotlease.verify.caller_v2 import CallerV2
from slotlease.verify.caller_v3 import CallerV3
from slotlease.verify.shop import Slot, Version

CALLERS: Final[Mapping[Version, Dial]] = {Version.V0: CallerV0, Version.V2: CallerV2, Version.V3: CallerV3}


def can_name(version: Version, slot: Slot) -> bool:
    """Version 0 knows no party size: two tables at one time would be the same to it."""
    return version is not Version.V0 or slot.resources is None or not slot.resources.party_size
