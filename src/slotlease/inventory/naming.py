"""What a slot on the ledger is called outside: ids in place of the ledger's numbers."""

from __future__ import annotations

from slotlease.domain.merchant import Merchant
from slotlease.domain.slot import NO_RESOURCES, AskedSlot, Resources, Slot


class Names:
    """The ids of one merchant's services, staff and rooms by their numbers, retired services too."""

    def __init__(self, merchant: Merchant) -> None:
        self._merchant_id = merchant.merchant_id
        self._services = {service.service_no: service_id for service_id, service in merchant.services.items()}
        self._staff = {number: staff_id for staff_id, number in merchant.staff.items()}
        self._rooms = {number: room_id for room_id, number in merchant.rooms.items()}

    def asked(self, slot: Slot) -> AskedSlot:
        """The slot as a caller names it: resources only where it has any."""
        resources = Resources(self._staff.get(slot.staff_no, ""), self._rooms.get(slot.room_no, ""), slot.party_size)
        return AskedSlot(
            self._merchant_id,
            self._services[slot.service_no],
            slot.start_us,
            slot.duration_us,
            slot.availability_tag,
            None if resources == NO_RESOURCES else resources,
        )
