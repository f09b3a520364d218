"""SetMarketingPreference: what Google says is kept, echoed, and shown to the partner alone."""

from __future__ import annotations

import pytest

from tests.rest import asking_v3 as asking
from tests.rest.serving import Json, RestClient
from tests.support import Shop


def wish(user_id: str, **given: object) -> Json:
    return {"user_information": asking.user(user_id), **given}


def kept(shop: Shop, user_id: str) -> list[bool]:
    found = shop.store.marketing_preferences(after="", limit=1000)
    return [one.receives_marketing for one in found if one.user.user_id == user_id]


def test_wish_is_kept_and_echoed_and_the_last_one_counts(rest: RestClient, shop: Shop, merchant: str) -> None:
    yes, no = wish(merchant, user_to_receive_marketing=True), wish(merchant, user_to_receive_marketing=False)
    for _ in range(2):
        assert rest.ask("SetMarketingPreference", yes) == yes
        assert kept(shop, merchant) == [True]
    assert rest.ask("SetMarketingPreference", no) == wish(merchant)
    assert kept(shop, merchant) == [False]


def test_wish_that_is_left_out_is_no(rest: RestClient, shop: Shop, merchant: str) -> None:
    """As proto3 prints false: whoever does not say yes gets no advertising."""
    assert rest.ask("SetMarketingPreference", wish(merchant)) == wish(merchant)
    assert kept(shop, merchant) == [False]


@pytest.mark.parametrize("field", ["user_id", "given_name", "family_name", "telephone", "email"])
def test_user_must_be_described_whole(rest: RestClient, shop: Shop, merchant: str, field: str) -> None:
    asked = wish(merchant, user_to_receive_marketing=True)
    del asked["user_information"][field]
    assert rest.fields("SetMarketingPreference", asked) == [f"user_information.{field}"]
    assert rest.fields("SetMarketingPreference", {"user_to_receive_marketing": True}) == ["user_information"]
    assert rest.fields("SetMarketingPreference", wish(merchant, user_to_receive_marketing="yes")) == [
        "user_to_receive_marketing"
    ]
    assert kept(shop, merchant) == []
