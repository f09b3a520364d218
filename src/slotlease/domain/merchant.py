"""Who offers and what is offered, as the feeds say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """A service with its scheduling rules, all from the services feed (`rules`)."""

    merchant_no: int
    service_no: int
    service_id: str
    retired: bool = False
    min_advance_booking_s: int = 0
    min_advance_online_canceling_s: int | None = None
    one_booking_per_user: bool = True
    min_booking_buffer_before_end_time_s: int | None = None
    """Where there is one, the slot may still be booked while it lasts, until so long before its end."""


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant with its catalogue. Numbers are never reused, so a retired row still explains old bookings."""

    merchant_no: int
    merchant_id: str
    retired: bool
    longest_duration_us: int
    services: Mapping[str, Service]
    staff: Mapping[str, int]
    rooms: Mapping[str, int]
