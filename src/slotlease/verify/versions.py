"""Which callers there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from slotlease.verify.caller import Dial
from slotlease.verify.caller_v2 import CallerV2
from slotlease.verify.shop import Version

CALLERS: Final[Mapping[Version, Dial]] = {Version.V2: CallerV2}
