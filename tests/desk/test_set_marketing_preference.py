"""SetMarketingPreference: the last word of a user counts."""

from __future__ import annotations

from slotlease.desk.set_marketing_preference import SetMarketingPreference
from slotlease.domain.marketing import MarketingPreference
from tests.support import Shop, user


def test_last_word_of_each_user_in_a_batch_is_kept_with_its_instant(shop: Shop) -> None:
    ada, bob = user("ada"), user("bob")
    said = [(ada, True), (bob, True), (ada, False)]
    answers = shop.ask_all([SetMarketingPreference(one, receives_marketing=wish) for one, wish in said])
    assert answers == [MarketingPreference(one, wish, shop.clock.now_us) for one, wish in said]
    assert list(shop.store.marketing_preferences(after="", limit=9)) == [answers[2], answers[1]]
