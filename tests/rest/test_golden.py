"""Google's published samples in their shape, and the calls around them, as files: what is sent and what comes back.

Only the booking's id, which is ours and random, stands as BOOKING. The order tells one booking's life.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from slotlease.domain.slot import SECOND_US
from tests.proofs.ledger_file import scratch_folder
from tests.rest.serving import RestClient, serving_rest
from tests.support import MINUTE_US, Offered, open_shop
from tests.wire.conftest import serving

GOLDEN = Path(__file__).parent / "golden"
START_US = 1_606_467_600 * SECOND_US
CALLS = (
    "BatchAvailabilityLookup",
    "CreateBooking",
    "CreateBooking.again",
    "GetBookingStatus",
    "ListBookings",
    "SetMarketingPreference",
    "UpdateBooking",
)


@pytest.fixture
def restaurant() -> Iterator[RestClient]:
    with scratch_folder() as folder:
        shop = open_shop(folder)
        shop.clock.now_us = START_US - 60 * MINUTE_US
        table = Offered(service_id="5678", start_us=START_US, duration_us=30 * MINUTE_US, party_size=2)
        shop.offer(table, merchant_id="1234")
        with serving(shop) as served, serving_rest(served) as rest:
            yield rest
        shop.store.close()


def test_samples_are_answered_as_their_files_say(restaurant: RestClient) -> None:
    booking_id = "BOOKING"
    for call in CALLS:
        request = (GOLDEN / f"{call}.request.json").read_text("utf-8").replace("BOOKING", booking_id)
        response = restaurant.send(call.partition(".")[0], request.encode())
        answer = response.json()
        if call == "CreateBooking":
            booking_id = answer["booking"]["booking_id"]
        normalised = response.text.replace(booking_id, "BOOKING")
        assert response.status_code == 200, call
        assert json.loads(normalised) == json.loads((GOLDEN / f"{call}.answer.json").read_text("utf-8")), call


def test_every_file_is_told() -> None:
    told = {f"{call}.{part}.json" for call in CALLS for part in ("request", "answer")}
    assert {path.name for path in GOLDEN.iterdir()} == told
