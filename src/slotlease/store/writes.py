"""The net writes of a batch, in the order in which every backend makes them."""

from __future__ import annotations

from collections.abc import Iterator

from slotlease.domain.facts import Changes
from slotlease.domain.lease import LeaseState
from slotlease.domain.marketing import MarketingPreference
from slotlease.store import rows, statements
from slotlease.store.rows import Params


def net_writes(changes: Changes) -> Iterator[tuple[str, list[Params]]]:
    """Each statement once, with the rows that it writes, maybe none: updates before inserts (DESIGN 2)."""
    counters = changes.next_nos.items()
    yield (
        statements.ADVANCE_NEXT_NO,
        [{"merchant_no": no, "next_no": after, "next_no_before": before} for no, (before, after) in counters],
    )
    yield (
        statements.UPDATE_SPOT,
        [rows.spot_update_params(before, after) for before, after in changes.spots if before is not None],
    )
    ended = [after for before, after in changes.leases if before is not None]
    buried = [(merchant_no, lease_no, LeaseState.EXPIRED) for merchant_no, lease_no in changes.leases_buried]
    yield (
        statements.END_LEASE,
        [
            {"merchant_no": merchant_no, "lease_no": lease_no, "state": state.value}
            for merchant_no, lease_no, state in [(x.merchant_no, x.lease_no, x.state) for x in ended] + buried
        ],
    )
    yield (
        statements.UPDATE_BOOKING,
        [rows.booking_update_params(before, after) for before, after in changes.bookings if before is not None],
    )
    yield (
        statements.CLOSE_SLOT,
        [rows.slot_closed_params(before, after) for before, after in changes.slots_closed],
    )
    yield (
        statements.PURGE_LEASE,
        [{"merchant_no": merchant_no, "lease_no": lease_no} for merchant_no, lease_no in changes.leases_purged],
    )
    yield (
        statements.INSERT_SPOT,
        [
            rows.spot_insert_params(after, changes.slots[after.merchant_no, after.slot_no])
            for before, after in changes.spots
            if before is None
        ],
    )
    yield statements.INSERT_LEASE, [rows.lease_params(after) for before, after in changes.leases if before is None]
    yield (
        statements.INSERT_BOOKING,
        [rows.booking_params(after) for before, after in changes.bookings if before is None],
    )
    yield (
        statements.PUT_MARKETING_PREFERENCE,
        # In one order: no merchant's lock guards them, and batches must not wait for each other in a circle (INV-22).
        [rows.marketing_preference_params(one) for one in sorted(changes.marketing_preferences, key=_user_id)],
    )
    yield statements.INSERT_EVENT, [rows.event_params(event) for event in changes.events]


def _user_id(preference: MarketingPreference) -> str:
    return preference.user.user_id
