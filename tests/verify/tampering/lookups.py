"""Answers about availability that are not the truth, or not all of it."""

from __future__ import annotations

from typing import Any

from slotlease.wire.proto.v2 import booking_service_pb2 as service_pb2
from tests.verify.tampering.fault import V2_AND_V3, Call, Refused, fault


@fault("BatchAvailabilityLookup", warns="availability.batch.order")
def answers_a_lookup_in_an_order_of_its_own(call: Call) -> Any:
    answer = call.pass_on()
    told = sorted(answer.slot_time_availability, key=lambda one: one.slot_time.start_sec)
    return service_pb2.BatchAvailabilityLookupResponse(slot_time_availability=told)


@fault(
    "BatchAvailabilityLookup", fails="availability.batch.complete", warns="availability.batch.order", versions=V2_AND_V3
)
def leaves_the_last_one_out_of_a_long_lookup(call: Call) -> Any:
    answer = call.pass_on()
    del answer.slot_time_availability[4:5]
    return answer


@fault("BatchAvailabilityLookup", fails="availability.agree.check")
def says_of_some_that_are_free_that_they_are_not(call: Call) -> Any:
    answer = call.pass_on()
    for one in answer.slot_time_availability[2:]:
        one.available = False
    return answer


@fault("BatchAvailabilityLookup", fails="availability.batch.unknown")
def says_of_everything_that_it_is_free(call: Call) -> Any:
    answer = call.pass_on()
    for one in answer.slot_time_availability:
        one.available = True
    return answer


@fault("BatchAvailabilityLookup", fails="availability.batch.unknown-merchant")
def answers_for_a_merchant_that_there_is_not(call: Call) -> Any:
    try:
        return call.pass_on()
    except Refused:
        told = [service_pb2.SlotTimeAvailability(slot_time=one) for one in call.request.slot_time]
        return service_pb2.BatchAvailabilityLookupResponse(slot_time_availability=told)


@fault(
    "CheckAvailability",
    fails="availability.check.unknown-merchant availability.check.unknown-service",
    warns="availability.check.unknown-slot",
)
def takes_what_it_does_not_know_for_taken(call: Call) -> Any:
    try:
        return call.pass_on()
    except Refused:
        return service_pb2.CheckAvailabilityResponse(slot=call.request.slot)


@fault(
    "CheckAvailability",
    fails="availability.check.count lease.holds lease.consumed booking.takes-spot booking.move.spots",
)
def counts_more_spots_than_there_are(call: Call) -> Any:
    answer = call.pass_on()
    answer.count_available += 100 if answer.count_available else 0
    return answer


@fault("CheckAvailability", fails="availability.agree.feed availability.agree.check")
def contradicts_its_own_feed(call: Call) -> Any:
    answer = call.pass_on()
    if call.request.slot.start_time.seconds // 1800 % 6 == 0:
        answer.count_available = 0
    return answer
