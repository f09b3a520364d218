"""SetMarketingPreference: whether a user wants to hear from the partner. The last word counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from slotlease.desk.operation import Operation
from slotlease.domain.booking import UserInformation
from slotlease.domain.facts import Wanted
from slotlease.domain.marketing import MarketingPreference
from slotlease.domain.view import View


@dataclass(frozen=True, slots=True)
class SetMarketingPreference(Operation[MarketingPreference]):
    """`user.user_id` is not empty. Said twice it is as said once: there is no token, and none is needed."""

    user: UserInformation
    receives_marketing: bool

    writes: ClassVar[bool] = True

    def want(self, wanted: Wanted) -> None:
        """Nothing: what was said before does not matter, and no merchant is named, so none is locked."""

    def decide(self, view: View) -> MarketingPreference:
        preference = MarketingPreference(self.user, self.receives_marketing, view.now_us)
        view.put_marketing_preference(preference)
        return preference
