"""The order in which a batch writes."""

from __future__ import annotations

from slotlease.domain.facts import Changes
from slotlease.domain.marketing import MarketingPreference
from slotlease.store.writes import net_writes
from tests.support import NOON_US, user


def test_preferences_are_written_in_one_order_whoever_was_asked_first() -> None:
    """No merchant's lock guards them: in two orders, two servers' batches would wait for each other (INV-22)."""
    said = [MarketingPreference(user(user_id), receives_marketing=True, told_us=NOON_US) for user_id in "cab"]
    changes = Changes({}, {}, (), (), (), (), (), marketing_preferences=tuple(said))
    written = [row["user_id"] for _, params in net_writes(changes) for row in params]
    assert written == ["a", "b", "c"]
