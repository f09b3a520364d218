"""The input matrix (reliability 7.1) as far as it is about things: requests that are well-formed and name what is not
there, or what cannot be had. Over a socket, on both versions.

Whatever is refused here, nothing was written: no row, and not even a commit.
"""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest

from slotlease.domain.slot import AskedSlot, Resources
from tests.support import DAY_US, NOON_US, Offered
from tests.wire import asking, asking_v0
from tests.wire.client import CAUSE, Client, cause_of
from tests.wire.client_v0 import ClientV0
from tests.wire.conftest import World

NOBODYS_ID = f"1-1-{'0' * 32}"


@pytest.fixture
def client(world: World, request: pytest.FixtureRequest) -> Client:
    return world.served.client(request.node.name[-200:])


@pytest.fixture
def client_v0(world: World, client: Client) -> ClientV0:
    return world.served.client_v0(client.merchant_id)


# --- I-10: an unknown merchant or service, a slot that is not in the inventory, another tag -----------------------

UNKNOWN = {
    "merchant": {"merchant_id": "nobody"},
    "service": {"service_id": "nothing"},
    "start": {"start_us": NOON_US + DAY_US + 1},
    "duration": {"duration_us": 1},
    "tag": {"availability_tag": "other"},
    "staff": {"resources": Resources(staff_id="nobody")},
    "room": {"resources": Resources(room_id="nowhere")},
}


@pytest.mark.parametrize("changes", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_on_the_ledger_is_an_invalid_argument_and_writes_nothing(
    world: World, client: Client, client_v0: ClientV0, changes: dict[str, object]
) -> None:
    other = replace(client.offer(Offered()), **changes)  # type: ignore[arg-type]  # fields of AskedSlot, by name
    before = world.ledger.state()
    for ended in (
        client.ended(asking.check(other)),
        client.ended(asking.lease(other, "reference")),
        client.ended(asking.booking(other, "token")),
        client_v0.ended(asking_v0.lease(other, "reference")),
    ):
        assert (ended.code, ended.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SLOT_UNKNOWN")
    assert world.ledger.state() == before


# --- I-11: a slot that has begun, is full, or is closed -----------------------------------------------------------

NOT_TO_BE_HAD = {
    "begun": Offered(start_us=NOON_US),
    "closed": Offered(closed=True),
    "sold elsewhere": Offered(spots_total=2, spots_elsewhere=2),
}


def refused_without_a_write(world: World, client: Client, client_v0: ClientV0, slot: AskedSlot) -> bool:
    before = world.ledger.state()
    assert client.count_available(slot) == 0
    assert cause_of(client.create_lease(slot)) == CAUSE.SLOT_UNAVAILABLE
    assert cause_of(client.create_booking(slot)) == CAUSE.SLOT_UNAVAILABLE
    ended = client_v0.ended(asking_v0.lease(slot, client_v0.new_name()))
    assert (ended.code, ended.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOT_UNAVAILABLE")
    return world.ledger.state() == before


@pytest.mark.parametrize("offered", NOT_TO_BE_HAD.values(), ids=NOT_TO_BE_HAD)
def test_what_cannot_be_had_is_refused_and_writes_nothing(
    world: World, client: Client, client_v0: ClientV0, offered: Offered
) -> None:
    assert refused_without_a_write(world, client, client_v0, client.offer(offered))


@pytest.mark.parametrize("holder", ["v0", "v2"])
def test_what_another_customer_holds_is_refused_and_writes_nothing(
    world: World, client: Client, client_v0: ClientV0, holder: str
) -> None:
    slot = client.offer(Offered())
    if holder == "v0":
        client_v0.lease(slot)
    else:
        client.lease(slot)
    assert refused_without_a_write(world, client, client_v0, slot)


# --- I-17 and I-18: ids of nothing, and a slot that is not the leased one ------------------------------------------


def test_ids_of_nothing_are_refused_and_write_nothing(world: World, client: Client, client_v0: ClientV0) -> None:
    slot = client.offer(Offered())
    before = world.ledger.state()
    assert cause_of(client.create_booking(slot, lease_id=f"l{NOBODYS_ID}")) == CAUSE.LEASE_EXPIRED
    for ended in (
        client_v0.ended(asking_v0.booking(f"l{NOBODYS_ID}")),
        client_v0.ended(asking_v0.cancellation(f"b{NOBODYS_ID}")),
        client.ended(asking.cancellation(f"b{NOBODYS_ID}")),
        client.ended(asking.move(f"b{NOBODYS_ID}", slot.start_us)),
    ):
        assert ended.code is grpc.StatusCode.NOT_FOUND
    assert world.ledger.state() == before


def test_a_lease_with_another_slot_beside_it_is_refused_and_writes_nothing(world: World, client: Client) -> None:
    slot, other = client.offer(Offered()), client.offer(Offered(start_us=NOON_US + 2 * DAY_US))
    lease_id = client.lease(slot).lease_id
    before = world.ledger.state()
    ended = client.ended(asking.booking(other, "token", lease_id=lease_id))
    assert (ended.code, ended.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SLOT_DIFFERS_FROM_LEASE")
    assert world.ledger.state() == before
