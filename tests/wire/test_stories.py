"""One story, told through any version or through several, comes to the same and ends in the same ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.proofs.ledger_file import scratch_folder
from tests.rest.serving import serving_rest
from tests.support import open_shop
from tests.wire.conftest import serving
from tests.wire.ledger_rows import LedgerRows, Row
from tests.wire.stories import STORIES, Teller, Version

TELLINGS: dict[str, tuple[Version, Version, Version]] = {
    "version 0": ("v0", "v0", "v0"),
    "version 2": ("v2", "v2", "v2"),
    "leased in version 0, booked in version 2, changed in version 0": ("v0", "v2", "v0"),
    "leased in version 2, booked in version 0, changed in version 2": ("v2", "v0", "v2"),
    "version 3": ("v3", "v3", "v3"),
    "leased in version 2, booked in version 3, changed in version 0": ("v2", "v3", "v0"),
    "leased in version 3, booked in version 0, changed in version 3": ("v3", "v0", "v3"),
}
"""Through which version leases, bookings and changes go."""

Telling = tuple[list[str], dict[str, list[Row]]]


def told(story: Callable[[Teller], None], ways: tuple[Version, Version, Version]) -> Telling:
    """What each sentence of the story came to, and the ledger it left, on a shop of its own."""
    with scratch_folder() as folder:
        shop, ledger = open_shop(folder), LedgerRows(folder)
        try:
            with serving(shop) as served, serving_rest(served) as rest:
                teller = Teller(served.client(), served.client_v0(), rest, *ways)
                story(teller)
                assert served.incidents == []
            return teller.told, ledger.telling()
        finally:
            ledger.close()
            shop.store.close()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_story_ends_in_the_same_ledger_whichever_version_tells_it(story: Callable[[Teller], None]) -> None:
    (_, first), *others = TELLINGS.items()
    came_to, ledger = told(story, first)
    assert "OK" in came_to
    for name, ways in others:
        assert told(story, ways) == (came_to, ledger), name


def test_the_stories_come_to_everything_that_a_call_may_come_to() -> None:
    came_to = set[str]()
    for story in STORIES:
        came_to.update(told(story, TELLINGS["version 0"])[0])
    assert came_to == {
        "OK",
        "FIELD_INVALID",
        "SLOT_UNKNOWN",
        "IDEMPOTENCY_TOKEN_REUSED",
        "NOT_FOUND",
        "SLOT_UNAVAILABLE",
        "SLOT_ALREADY_BOOKED_BY_USER",
        "LEASE_EXPIRED",
        "OUTSIDE_CANCELLATION_WINDOW",
        "BOOKING_ALREADY_CANCELLED",
        "PAYMENT_ERROR",
    }
