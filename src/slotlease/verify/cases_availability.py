"""CheckAvailability and BatchAvailabilityLookup: echoes, unknown names, and agreement with each other and the feed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Final, TypeVar

from slotlease.verify.answer import INVALID_ARGUMENT, NOT_FOUND, OK
from slotlease.verify.caller import CHECK, LOOK_UP
from slotlease.verify.case import case
from slotlease.verify.shop import SECOND_US, Slot
from slotlease.verify.trial import NotTried, Trial, said

ThingT = TypeVar("ThingT")

SAMPLE: Final = 20
"""Slots of one merchant in one lookup: of so many does Google's portal judge the last ones."""

MERCHANTS: Final = 10
AGREED_MIN: Final = 0.9
NOBODY: Final = "slotlease-verify-no-such-id"

_CHECK = "CheckAvailability"
_LOOKUP = "BatchAvailabilityLookup"
_CHECKER = "Launch and monitor: availability checker"


@case(
    "availability.offered",
    "one of the two ways to ask for availability is there",
    rule="A server answers CheckAvailability or BatchAvailabilityLookup for a slot that its feed offers.",
    source="Implement the booking server: required methods",
    hint="The method is not registered under Google's package and service name.",
)
def _offered(t: Trial) -> None:
    """Either may be left out, both may not: so it names neither as what it needs."""
    if not {CHECK, LOOK_UP} & t.caller.methods:
        raise NotTried(f"version {t.version.value[1:]} has neither", by_choice=True)
    slot = t.slot()
    checked = t.caller.check_availability(slot)
    if checked.word != OK:
        t.expect(t.caller.look_up(slot.merchant_id, [slot]), OK)
        t.note(f"CheckAvailability answered {said(checked)}; the lookup works")


@case(
    "availability.check.echo",
    "the answer names the slot that was asked about",
    rule="CheckAvailabilityResponse.slot equals the slot of the request, tag and resources included.",
    source=_CHECK,
    hint="The slot is built from the database, without the tag or the resources, or in another time zone.",
    needs=(CHECK,),
)
def _check_echo(t: Trial) -> None:
    slot = t.slot(rich=True, kind="resources or an availability_tag")
    answer = t.caller.check_availability(slot)
    t.equal("slot", slot, t.value(answer).slot, answer)


@case(
    "availability.check.count",
    "a slot that the feed offers has spots, and no more than there are",
    rule="count_available is at least 1 for a slot that is free, and never more than the feed's spots_total.",
    source=f"{_CHECK}; Availability feed: spots_open, spots_total",
    hint="The count is of another slot, or bookings are counted instead of free spots.",
    needs=(CHECK,),
)
def _check_count(t: Trial) -> None:
    offer = t.offers(1)[0]
    answer = t.caller.check_availability(offer.slot)
    count = t.value(answer).count
    t.holds(0 < count <= offer.spots_total, f"a count of 1 to {offer.spots_total}", f"a count of {count}", answer)


@case(
    "availability.check.unknown-merchant",
    "a merchant that there is not",
    rule="An unknown merchant_id is INVALID_ARGUMENT.",
    source=_CHECK,
    hint="An empty result of a query is answered with a count of 0; tell unknown from taken.",
    needs=(CHECK,),
)
def _check_merchant(t: Trial) -> None:
    slot = replace(t.around.offers[0].slot, merchant_id=NOBODY)
    t.expect(t.caller.check_availability(slot), INVALID_ARGUMENT)


@case(
    "availability.check.unknown-service",
    "a service that the merchant has not",
    rule="An unknown service_id is INVALID_ARGUMENT.",
    source=_CHECK,
    hint="As for an unknown merchant.",
    needs=(CHECK,),
)
def _check_service(t: Trial) -> None:
    slot = replace(t.around.offers[0].slot, service_id=NOBODY)
    t.expect(t.caller.check_availability(slot), INVALID_ARGUMENT)


@case(
    "availability.check.unknown-slot",
    "a start at which nothing begins",
    rule="A bad slot time is INVALID_ARGUMENT; it never has a spot.",
    source=_CHECK,
    hint="The start is rounded, or only the day is compared.",
    needs=(CHECK,),
)
def _check_slot(t: Trial) -> None:
    answer = t.caller.check_availability(no_such_time(t))
    if answer.value is not None and answer.value.count == 0:
        t.warn_unless(False, INVALID_ARGUMENT, "a count of 0, which is what a slot that is taken has", answer)
        return
    t.expect(answer, INVALID_ARGUMENT)


@case(
    "availability.batch.complete",
    "a lookup answers for each slot that was asked about",
    rule="There is exactly one slot_time_availability for each slot_time.",
    source=_LOOKUP,
    hint="Slots that are taken are left out; say available: false.",
    needs=(LOOK_UP,),
)
def _batch_complete(t: Trial) -> None:
    slots = sample(t)
    answer = t.caller.look_up(slots[0].merchant_id, slots)
    looked_up = t.value(answer)
    t.equal("elements", len(slots), len(looked_up), answer)
    asked, told = sorted(map(_times, slots)), sorted(_times(one.slot) for one in looked_up)
    t.equal("service and time of all of them", asked, told, answer)


@case(
    "availability.batch.order",
    "a lookup answers in the order of the request",
    rule="Google's samples keep the order of the request; no page says that it must be so.",
    source=f"{_LOOKUP}: samples",
    hint="The answer comes in the order of the database, or of a set.",
    needs=(LOOK_UP,),
    required=False,
)
def _batch_order(t: Trial) -> None:
    slots = sample(t)[::-1]
    answer = t.caller.look_up(slots[0].merchant_id, slots)
    t.equal("starts", [one.start_us for one in slots], [one.slot.start_us for one in t.value(answer)], answer)


@case(
    "availability.batch.echo",
    "each element names the slot that was asked about",
    rule="slot_time comes back as it was sent, tag and resources included.",
    source=_LOOKUP,
    hint="The slot is built from the database, without the tag or the resources.",
    needs=(LOOK_UP,),
)
def _batch_echo(t: Trial) -> None:
    slot = t.slot(rich=True, kind="resources or an availability_tag")
    answer = t.caller.look_up(slot.merchant_id, [slot])
    t.equal("slot_time", [slot], [one.slot for one in t.value(answer)], answer)


@case(
    "availability.batch.unknown",
    "a slot that there is not, among others",
    rule="An unknown service or time inside a lookup is not available; no page says whether it may be an error.",
    source=_LOOKUP,
    hint="One bad element fails the lookup, so Google shows none of the others.",
    needs=(LOOK_UP,),
)
def _batch_unknown(t: Trial) -> None:
    good = t.slot()
    slots = [replace(good, service_id=NOBODY), good, replace(no_such_time(t), merchant_id=good.merchant_id)]
    answer = t.caller.look_up(good.merchant_id, slots)
    if not t.expect(answer, OK, open_words=(INVALID_ARGUMENT,)):
        return
    told = {_times(one.slot) for one in t.value(answer) if one.available}
    t.holds(told <= {_times(good)}, "what is unknown is not available", "it is available", answer)


@case(
    "availability.batch.unknown-merchant",
    "a lookup of a merchant that there is not",
    rule="An unknown merchant_id is INVALID_ARGUMENT.",
    source=f"{_LOOKUP}; Status codes",
    hint="An empty result of a query is answered with an empty list.",
    needs=(LOOK_UP,),
)
def _batch_merchant(t: Trial) -> None:
    t.expect(t.caller.look_up(NOBODY, [t.around.offers[0].slot]), INVALID_ARGUMENT, open_words=(NOT_FOUND,))


@case(
    "availability.agree.check",
    "the lookup and the single check say the same",
    rule="Both tell the truth at that instant, so they agree.",
    source=f"{_LOOKUP}; {_CHECK}",
    hint="One of the two is answered from a cache.",
    needs=(CHECK, LOOK_UP),
)
def _agree_check(t: Trial) -> None:
    slots = sample(t)
    together = {_times(one.slot): one.available for one in t.value(t.caller.look_up(slots[0].merchant_id, slots))}
    for slot in slots:
        answer = t.caller.check_availability(slot)
        free = t.value(answer).count > 0
        if _times(slot) in together:
            t.equal("available", together[_times(slot)], free, answer)


@case(
    "availability.agree.feed",
    "the server agrees with its own feed, merchant by merchant",
    rule=f"What the feed offers is to be had, and what it says is full is not; below {AGREED_MIN:.0%} is a failure.",
    source=f"{_CHECKER}; Booking server ready: 90 % of the last 20 lookups",
    hint="The feed is older than the bookings, or made from other data than the server reads: make a new one.",
)
def _agree_feed(t: Trial) -> None:
    by_merchant: defaultdict[str, list[tuple[Slot, bool]]] = defaultdict(list)
    for offers, free in ((t.around.offers, True), (t.around.full, False)):
        for offer in offers:
            by_merchant[offer.slot.merchant_id].append((offer.slot, free))
    asked = wrong = 0
    for merchant_id in sorted(by_merchant)[:MERCHANTS]:
        claims = spread(by_merchant[merchant_id], SAMPLE)
        differing = [slot for slot, free in claims if _is_free(t, slot) != free]
        t.note(f"{merchant_id}: {len(claims) - len(differing)} of {len(claims)} slots as the feed says")
        asked, wrong = asked + len(claims), wrong + len(differing)
    told = f"{asked - wrong} of {asked} slots as the feed says"
    t.holds(asked - wrong >= AGREED_MIN * asked, f"at least {AGREED_MIN:.0%} of {asked} slots", told)
    t.warn_unless(not wrong, f"all {asked} slots", told)


def _is_free(t: Trial, slot: Slot) -> bool:
    return t.free(slot) > 0


def sample(t: Trial) -> list[Slot]:
    """Slots of one merchant, none of which has the service and time of another. Raises NotTried."""
    by_merchant: defaultdict[str, dict[object, Slot]] = defaultdict(dict)
    for offer in t.around.offers:
        by_merchant[offer.slot.merchant_id].setdefault(_times(offer.slot), offer.slot)
    merchant_id = max(sorted(by_merchant), key=lambda one: len(by_merchant[one]))
    slots = list(by_merchant[merchant_id].values())
    if len(slots) < 2:  # noqa: PLR2004 - an order needs two
        raise NotTried("it needs two slots of one merchant, and the feed has one: give a feed with more")
    return spread(slots, SAMPLE)


def spread(things: list[ThingT], number: int) -> list[ThingT]:
    """So many of them, from the first to the last."""
    step = max(1, -(-len(things) // number))
    return things[::step]


def no_such_time(t: Trial) -> Slot:
    """A slot of the feed, moved to where no slot of its merchant begins."""
    slot = t.around.offers[0].slot
    begins = {one.slot.start_us for one in (*t.around.offers, *t.around.full)}
    start_us = slot.start_us
    while start_us in begins:
        start_us += 61 * SECOND_US
    return replace(slot, start_us=start_us)


def _times(slot: Slot) -> tuple[str, int, int]:
    return slot.service_id, slot.start_us, slot.duration_us
