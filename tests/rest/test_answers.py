"""DESIGN section 5, row by row, as version 3 answers it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.proofs.ledger_file import scratch_folder
from tests.rest import asking_v3 as asking
from tests.rest.serving import Json, RestClient, serving_rest
from tests.support import HOUR_US, MINUTE_US, NOON_US, Offered, Shop, open_shop
from tests.wire.conftest import Served, serving

TEN = Offered()
ELEVEN = replace(TEN, start_us=TEN.start_us + HOUR_US)


def lease(rest: RestClient, shop: Shop, merchant: str, reference: str = "r") -> Json:
    shop.offer(TEN, ELEVEN, merchant_id=merchant)
    answer: Json = rest.ask("CreateLease", asking.lease(TEN.asked(merchant), reference))["lease"]
    return answer


def book(rest: RestClient, merchant: str, attempt: str = "t", *, offered: Offered = TEN, user_id: str = "ada") -> Json:
    answer: Json = rest.ask("CreateBooking", asking.booking(offered.asked(merchant), attempt, user_id=user_id))
    return answer


def cause(answer: Json) -> str:
    """Why the answer refuses; it carries nothing else."""
    assert list(answer) == ["booking_failure"]
    assert answer["booking_failure"]["description"]
    name: str = answer["booking_failure"]["cause"]
    return name


# --- what is asked for is had ------------------------------------------------------------------------------------


def test_lease_echoes_what_was_asked_with_an_id_and_an_expiry_of_ours(
    rest: RestClient, shop: Shop, merchant: str
) -> None:
    told = lease(rest, shop, merchant)
    assert told == {
        "lease_id": told["lease_id"],
        "slot": {**asking.slot(TEN.asked(merchant)), "confirmation_mode": "CONFIRMATION_MODE_SYNCHRONOUS"},
        "user_reference": "r",
        "lease_expiration_time_sec": told["lease_expiration_time_sec"],
    }
    assert int(told["lease_expiration_time_sec"]) == (shop.clock.now_us + 10 * MINUTE_US) // 1_000_000
    assert rest.ask("CreateLease", asking.lease(TEN.asked(merchant), "r"))["lease"] == told


def test_lease_becomes_a_booking_and_a_repeat_gets_the_same_bytes(rest: RestClient, shop: Shop, merchant: str) -> None:
    held = lease(rest, shop, merchant)
    request = json.dumps(asking.booking(TEN.asked(merchant), "t", lease_id=held["lease_id"])).encode()
    first, again = rest.send("CreateBooking", request), rest.send("CreateBooking", request)
    assert first.content == again.content
    booking = first.json()["booking"]
    assert (booking["status"], booking["slot"]) == ("CONFIRMED", held["slot"])
    assert booking["user_information"] == asking.user()
    status = rest.ask("GetBookingStatus", {"booking_id": booking["booking_id"]})
    assert status == {
        "booking_id": booking["booking_id"],
        "booking_status": "CONFIRMED",
        "prepayment_status": "PREPAYMENT_NOT_PROVIDED",
    }


def test_slot_that_its_merchant_confirms_waits_for_that(rest: RestClient, shop: Shop, merchant: str) -> None:
    shop.offer(replace(TEN, asynchronous=True), merchant_id=merchant)
    booking = book(rest, merchant)["booking"]
    assert booking["status"] == "PENDING_MERCHANT_CONFIRMATION"
    assert booking["slot"]["confirmation_mode"] == "CONFIRMATION_MODE_ASYNCHRONOUS"


def test_booking_moves_keeps_its_id_and_is_listed_where_it_is(rest: RestClient, shop: Shop, merchant: str) -> None:
    shop.offer(TEN, ELEVEN, merchant_id=merchant)
    booking = book(rest, merchant, user_id=merchant)["booking"]
    moved = rest.ask("UpdateBooking", asking.move(booking["booking_id"], ELEVEN.start_us, HOUR_US))["booking"]
    assert moved["booking_id"] == booking["booking_id"]
    assert moved["slot"]["start_sec"] == asking.slot(ELEVEN.asked())["start_sec"]
    assert rest.ask("ListBookings", {"user_id": merchant}) == {"bookings": [moved]}


def test_zero_spots_and_not_available_are_said_and_not_left_out(rest: RestClient, shop: Shop, merchant: str) -> None:
    shop.offer(TEN, merchant_id=merchant)
    slot = TEN.asked(merchant)
    assert rest.ask("CheckAvailability", {"slot": asking.slot(slot)})["count_available"] == 1
    book(rest, merchant)
    assert rest.ask("CheckAvailability", {"slot": asking.slot(slot)}) == {
        "slot": asking.slot(slot),
        "count_available": 0,
    }
    lookup = {"merchant_id": merchant, "slot_time": [asking.slot_time(slot)]}
    assert rest.ask("BatchAvailabilityLookup", lookup) == {
        "slot_time_availability": [{"slot_time": asking.slot_time(slot), "available": False}]
    }


def test_lookup_answers_every_slot_in_the_order_asked(rest: RestClient, shop: Shop, merchant: str) -> None:
    shop.offer(TEN, ELEVEN, merchant_id=merchant)
    unknown = replace(TEN, start_us=TEN.start_us + 1_000_000)
    strange = replace(TEN, service_id="dye")
    asked = [asking.slot_time(one.asked(merchant)) for one in (ELEVEN, unknown, TEN, strange, ELEVEN)]
    answer = rest.ask("BatchAvailabilityLookup", {"merchant_id": merchant, "slot_time": asked})
    told = answer["slot_time_availability"]
    assert [one["slot_time"] for one in told] == asked
    assert [one["available"] for one in told] == [True, False, True, False, True]


# --- refused for a reason of business: HTTP 200 -------------------------------------------------------------------


def test_full_slot_is_slot_unavailable(rest: RestClient, shop: Shop, merchant: str) -> None:
    lease(rest, shop, merchant)
    assert cause(rest.ask("CreateLease", asking.lease(TEN.asked(merchant), "r2"))) == "SLOT_UNAVAILABLE"
    assert cause(book(rest, merchant)) == "SLOT_UNAVAILABLE"


def test_second_booking_of_a_slot_by_one_user_is_already_booked(rest: RestClient, shop: Shop, merchant: str) -> None:
    shop.offer(replace(TEN, spots_total=2), merchant_id=merchant)
    book(rest, merchant)
    assert cause(book(rest, merchant, "t2")) == "SLOT_ALREADY_BOOKED_BY_USER"


@pytest.mark.parametrize("lease_id", ["l1-1-00", "nobody's"])
def test_lease_that_nobody_has_is_lease_expired(rest: RestClient, shop: Shop, merchant: str, lease_id: str) -> None:
    shop.offer(TEN, merchant_id=merchant)
    request = asking.booking(TEN.asked(merchant), "t", lease_id=lease_id)
    assert cause(rest.ask("CreateBooking", request)) == "LEASE_EXPIRED"


def test_cancelling_too_late_is_outside_the_window_and_twice_is_once(
    rest: RestClient, shop: Shop, merchant: str
) -> None:
    shop.offer(replace(TEN, last_online_cancellable_us=NOON_US - 1), ELEVEN, merchant_id=merchant)
    late = book(rest, merchant)["booking"]["booking_id"]
    assert cause(rest.ask("UpdateBooking", asking.cancellation(late))) == "OUTSIDE_CANCELLATION_WINDOW"
    booking = book(rest, merchant, "t2", offered=ELEVEN)["booking"]["booking_id"]
    first = rest.ask("UpdateBooking", asking.cancellation(booking))
    assert first["booking"]["status"] == "CANCELED"
    assert rest.ask("UpdateBooking", asking.cancellation(booking)) == first
    moved = rest.ask("UpdateBooking", asking.move(booking, TEN.start_us, HOUR_US))
    assert cause(moved) == "BOOKING_ALREADY_CANCELLED"


def test_offer_that_we_do_not_know_is_refused_and_not_passed_over(rest: RestClient, shop: Shop, merchant: str) -> None:
    shop.offer(TEN, merchant_id=merchant)
    request = asking.booking(TEN.asked(merchant), "t")
    assert cause(rest.ask("CreateBooking", {**request, "offer_id": "half price"})) == "OFFER_UNAVAILABLE"
    assert "booking" in rest.ask("CreateBooking", request)


# --- wrong in itself, or not there ---------------------------------------------------------------------------------


def test_what_is_not_offered_is_400_by_field(rest: RestClient, shop: Shop, merchant: str) -> None:
    shop.offer(TEN, merchant_id=merchant)
    right = asking.slot(TEN.asked(merchant))
    for field, wrong in (("merchant_id", "nobody"), ("service_id", "dye"), ("start_sec", "1767355201")):
        told = rest.fields("CheckAvailability", {"slot": {**right, field: wrong}})
        assert told == [f"slot.{field}"]
    lookup = {"merchant_id": "nobody", "slot_time": [asking.slot_time(TEN.asked(merchant))]}
    assert rest.error("BatchAvailabilityLookup", lookup)[0] == 400


def test_token_used_for_something_else_is_400_with_its_reason(rest: RestClient, shop: Shop, merchant: str) -> None:
    lease(rest, shop, merchant)
    code, error = rest.error("CreateLease", asking.lease(ELEVEN.asked(merchant), "r"))
    reasons = [detail["reason"] for detail in error["details"] if "reason" in detail]
    assert (code, reasons) == (400, ["IDEMPOTENCY_TOKEN_REUSED"])


def test_unknown_booking_is_404_by_its_status_and_400_by_its_update(rest: RestClient) -> None:
    assert rest.error("GetBookingStatus", {"booking_id": "b1-1-00"})[0] == 404
    code, error = rest.error("UpdateBooking", asking.cancellation("b1-1-00"))
    assert (code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert [detail["metadata"] for detail in error["details"]] == [{"field": "booking.booking_id"}]
    assert rest.error("ListBookings", {"user_id": "nobody"})[0] == 404


def test_everything_missing_is_told_at_once(rest: RestClient) -> None:
    told = rest.fields("CreateBooking", {"slot": {"merchant_id": "m1"}})
    assert told == [
        "slot.service_id",
        "slot.start_sec",
        "slot.duration_sec",
        "user_information",
        "idempotency_token",
    ]


def test_methods_that_come_later_are_501_and_unknown_ones_404(rest: RestClient) -> None:
    for later in ("BatchGetWaitEstimates", "CreateWaitlistEntry", "GetWaitlistEntry", "DeleteWaitlistEntry"):
        code, error = rest.error(later, {})
        assert (code, error["status"]) == (501, "UNIMPLEMENTED")
    assert rest.error("SellEverything", {})[0] == 404


def test_leases_off_makes_create_lease_501_and_booking_works() -> None:
    with scratch_folder() as folder:
        shop = open_shop(folder)
        shop.offer(TEN)
        with serving(shop) as served, serving_rest(served, leases=False) as rest:
            assert rest.error("CreateLease", asking.lease(TEN.asked(), "r"))[0] == 501
            assert "booking" in book(rest, "m1")
        shop.store.close()


# --- paths, verbs, health ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v3/HealthCheck", "/v3/HealthCheck/", "/v3/healthcheck", "/V3/HEALTHCHECK/"])
def test_health_is_told_under_every_spelling(rest: RestClient, path: str) -> None:
    assert rest.http.get(path).json() == {"status": "SERVING"}
    assert rest.http.post(path).status_code == 405


@pytest.mark.parametrize("name", ["listbookings", "ListBookings/", "LISTBOOKINGS"])
def test_methods_are_found_under_every_spelling(rest: RestClient, name: str) -> None:
    assert rest.error(name, {"user_id": "nobody"})[0] == 404
    refused = rest.http.get(f"/v3/{name}")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


def test_server_below_a_prefix_that_is_stopping_says_so(served: Served) -> None:
    with serving_rest(served, prefix="/google", is_serving=False) as rest:
        told = rest.http.get("/v3/HealthCheck")
        assert (told.status_code, told.headers["retry-after"]) == (503, "1")
        assert rest.error("ListBookings", {"user_id": "nobody"})[0] == 404
        assert rest.http.get(f"http://{rest.address}/v3/HealthCheck").status_code == 404


def test_call_past_the_limit_of_calls_is_503_with_retry_after(served: Served, rest: RestClient) -> None:
    admission = served.admission
    taken = 0
    while admission.enter():
        taken += 1
    try:
        told = rest.send("ListBookings", b'{"user_id": "nobody"}')
    finally:
        for _ in range(taken):
            admission.leave()
    assert (told.status_code, told.headers["retry-after"], told.json()["error"]["status"]) == (503, "1", "UNAVAILABLE")
