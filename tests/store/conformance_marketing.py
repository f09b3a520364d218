"""Who wants to hear from the partner, as the ledger keeps it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slotlease.desk.set_marketing_preference import SetMarketingPreference
from slotlease.domain.booking import PostalAddress
from slotlease.domain.marketing import MarketingPreference
from slotlease.store.protocol import Store
from tests.store.backend import Backend, OnALedger, everything
from tests.support import NOON_US, Shop, user

ADA = replace(user("ada"), language_code="de-CH", address=PostalAddress(country="CH", locality="Zürich"))


class KnowsMarketingPreferences(OnALedger):
    def test_last_word_of_each_user_is_kept_whole(self, store: Store, beside: Store, shop: Shop) -> None:
        shop.ask(SetMarketingPreference(user("ada"), receives_marketing=True))
        shop.ask(SetMarketingPreference(user("bob"), receives_marketing=True))
        shop.clock.advance(s=1)
        shop.ask(SetMarketingPreference(ADA, receives_marketing=False))
        for reader in (store, beside):
            assert list(reader.marketing_preferences(after="", limit=9)) == [
                MarketingPreference(ADA, receives_marketing=False, told_us=NOON_US + 1_000_000),
                MarketingPreference(user("bob"), receives_marketing=True, told_us=NOON_US),
            ]

    def test_of_two_words_in_one_batch_the_later_counts(self, store: Store, shop: Shop) -> None:
        said = [SetMarketingPreference(ADA, receives_marketing=wish) for wish in (True, False)]
        shop.ask_all(said)
        (kept,) = store.marketing_preferences(after="", limit=9)
        assert not kept.receives_marketing

    def test_saying_it_twice_is_saying_it_once(self, backend: Backend, store: Store, shop: Shop) -> None:
        shop.ask(SetMarketingPreference(ADA, receives_marketing=True))
        before = everything(backend)
        shop.ask(SetMarketingPreference(ADA, receives_marketing=True))
        assert everything(backend) == before
        assert len(store.marketing_preferences(after="", limit=9)) == 1

    @pytest.mark.parametrize("limit", [1, 2, 5])
    def test_preferences_come_a_page_at_a_time_by_user(self, store: Store, shop: Shop, limit: int) -> None:
        for user_id in ("c", "a", "ß", "b", "A"):
            shop.ask(SetMarketingPreference(user(user_id), receives_marketing=True))
        found: list[str] = []
        while page := store.marketing_preferences(after=found[-1] if found else "", limit=limit):
            assert len(page) <= limit
            found += [one.user.user_id for one in page]
        assert found == ["A", "a", "b", "c", "ß"]

    def test_no_event_tells_what_a_user_wants(self, backend: Backend, store: Store, shop: Shop) -> None:
        before = everything(backend)
        shop.ask(SetMarketingPreference(ADA, receives_marketing=True))
        after = everything(backend)
        assert [table for table in after if after[table] != before[table]] == ["marketing_preference"]
        assert list(store.events(after={}, merchant_id=None, limit=9)) == []
