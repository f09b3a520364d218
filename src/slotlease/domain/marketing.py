"""Whether a user wants to hear from the partner, as Google tells it (SetMarketingPreference)."""

from __future__ import annotations

from dataclasses import dataclass

from slotlease.domain.booking import UserInformation


@dataclass(frozen=True, slots=True)
class MarketingPreference:
    """One for each `user.user_id`, over all merchants: Google's message names no merchant. `told_us` is when it was
    last said."""

    user: UserInformation
    receives_marketing: bool
    told_us: int
