"""What a store reads for operators, housekeeping, exports and the doorkeeper: the same statements on every database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from slotlease.domain.booking import Booking
from slotlease.domain.credential import Credential
from slotlease.domain.event import EventTold
from slotlease.domain.facts import RowKey
from slotlease.domain.lease import Lease
from slotlease.domain.marketing import MarketingPreference
from slotlease.domain.slot import Slot
from slotlease.store import outbox, rows, statements
from slotlease.store.prefetch import Query
from slotlease.store.protocol import Claims


class Reads(ABC):
    """See `protocol.Ledger`, `protocol.Inventory` and `protocol.Access`."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[tuple[Query, int]]:
        """A snapshot of its own, and the instant before it was taken (INV-27)."""

    def leases(self, *, live_only: bool, limit: int, expired_only: bool = False) -> Sequence[Lease]:
        with self._read() as (query, now_us):
            among = {
                "live_at_us": now_us if live_only else None,
                "expired_at_us": now_us if expired_only else None,
                "rows_max": limit,
            }
            return [rows.lease_of(row[1:], row[0]) for row in query(statements.LEASES_NEWEST, among)]

    def bookings(self, *, limit: int) -> Sequence[Booking]:
        with self._read() as (query, _):
            return [rows.booking_of(row[1:], row[0]) for row in query(statements.BOOKINGS_LATEST, {"rows_max": limit})]

    def live_leases(self) -> int:
        with self._read() as (query, now_us):
            ((count,),) = query(statements.LIVE_LEASES, {"now_us": now_us})
            return int(count)

    def lapsed_leases(self, *, after: RowKey, limit: int) -> Sequence[RowKey]:
        with self._read() as (query, now_us):
            after_row = {"merchant_no": after[0], "lease_no": after[1]}
            found = query(statements.LAPSED_LEASES, {**after_row, "now_us": now_us, "rows_max": limit})
            return [(row[0], row[1]) for row in found]

    def old_leases(self, *, kept_us: int, after: RowKey, limit: int) -> Sequence[RowKey]:
        with self._read() as (query, now_us):
            after_row = {"merchant_no": after[0], "lease_no": after[1]}
            found = query(statements.OLD_LEASES, {**after_row, "ended_by_us": now_us - kept_us, "rows_max": limit})
            return [(row[0], row[1]) for row in found]

    def events(self, *, after: Mapping[int, int], merchant_id: str | None, limit: int) -> Sequence[EventTold]:
        with self._read() as (query, _):
            return outbox.read(query, after, merchant_id, limit)

    def marketing_preferences(self, *, after: str, limit: int) -> Sequence[MarketingPreference]:
        with self._read() as (query, _):
            page = {"after_user_id": after, "rows_max": limit}
            return [rows.marketing_preference_of(row) for row in query(statements.MARKETING_PREFERENCES, page)]

    def merchant_names(self) -> dict[str, str]:
        with self._read() as (query, _):
            return {row[0]: row[1] for row in query(statements.MERCHANT_NAMES, {})}

    def slots_by_start(self, merchant_no: int, *, after: tuple[int, int], until_us: int, limit: int) -> Sequence[Slot]:
        with self._read() as (query, _):
            page = {
                "merchant_no": merchant_no,
                "after_start_us": after[0],
                "after_slot_no": after[1],
                "until_us": until_us,
                "rows_max": limit,
            }
            found = query(statements.SLOTS_BY_START, page)
            return [rows.slot_of(row, closed_by_operator) for *row, closed_by_operator in found]

    def claims(self, merchant_no: int, *, from_us: int, until_us: int) -> dict[int, Claims]:
        with self._read() as (query, now_us):
            span = {"merchant_no": merchant_no, "from_us": from_us, "until_us": until_us, "now_us": now_us}
            found = query(statements.CLAIMS_ON_SLOTS, span)
            return {slot_no: Claims(leases, bookings) for slot_no, leases, bookings in found}

    def own_bookings(self, merchant_no: int, at_us: int) -> dict[int, int]:
        with self._read() as (query, _):
            found = query(statements.OWN_BOOKINGS_AT, {"merchant_no": merchant_no, "at_us": at_us})
            return {row[0]: row[1] for row in found}

    def credentials(self) -> Sequence[Credential]:
        with self._read() as (query, _):
            return [Credential(*row) for row in query(statements.CREDENTIALS, {})]
