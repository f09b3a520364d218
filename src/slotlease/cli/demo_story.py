"""The demo's story: what customers ask of a server that serves the example feeds, and what it must answer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

import grpc

from slotlease.cli.demo_calls import (
    DEADLINE_S,
    SERVICE,
    Calls,
    Step,
    StoryEnded,
    booking_request,
    clock,
    code_of,
    lease_in_words,
    lease_request,
    slot_at,
)
from slotlease.inventory.example import (
    ANNA,
    BASIN,
    BEN,
    CHAIRS,
    COLOUR,
    CUT,
    DORA,
    GYM,
    PARTY_SIZES,
    RESTAURANT,
    SALON,
    TABLE,
    TREATMENT,
    YOGA,
)
from slotlease.store.open import open_store
from slotlease.wire.proto.v2 import booking_pb2
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub

RACERS: Final = 20
SHORT_LEASE_S: Final = 2

_HELD: Final = "leased for 10 min"
_TAKEN: Final = "SLOT_UNAVAILABLE"


def tell(address: str, midnight: datetime, store: str, tell_step: Callable[[Step], None]) -> bool:
    """Plays the whole story at `address`, on the example feeds of the day that begins at `midnight` (UTC).

    False where it ended early, because a call failed on which the rest is built.
    """
    with grpc.insecure_channel(address) as channel:
        calls = Calls(channel, tell_step)
        try:
            for act, play in (
                ("The server", _play_health),
                ("A yoga class of 12: Ada books, moves, cancels", _play_gym),
                ("A salon: services share staff and basin", _play_salon),
                (f"The last table for six: a lease of {SHORT_LEASE_S} s", _play_restaurant),
            ):
                calls.act = act
                play(calls, midnight)
            calls.act = f"The last table for six: {RACERS} clients at once"
            _play_race(calls, address, _table(midnight, 20))
        except StoryEnded:
            return False
        finally:
            calls.act = "Afterwards"
            calls.do("doctor: recount the ledger", lambda: _recount(store), "0 findings")
    return True


def _play_health(calls: Calls, _midnight: datetime) -> None:
    calls.health(SERVICE)
    calls.health("")


def _play_gym(calls: Calls, midnight: datetime) -> None:
    at_7, at_9, at_12 = (slot_at(GYM, YOGA, midnight.replace(hour=hour), 60) for hour in (7, 9, 12))
    calls.check("at 07:00", at_7, 12)
    # 3 of them were sold elsewhere, says the feed.
    calls.check("at 12:00", at_12, 9)
    lease = calls.lease("at 07:00", at_7, "ada-1", _HELD)
    calls.check("at 07:00", at_7, 11)
    calls.lease_again(at_7, "ada-1", lease)
    calls.lease_wrongly("the same token for 09:00", at_9, "ada-1", "INVALID_ARGUMENT")
    request = booking_request(at_7, "ada", "ada-b1", lease.lease.lease_id)
    booked = calls.book("with the lease", request, "CONFIRMED")
    booking_id = booked.booking.booking_id
    calls.book("a second one", booking_request(at_7, "ada", "ada-b2"), "SLOT_ALREADY_BOOKED_BY_USER")
    calls.list("ada", "1 booking, 07:00")
    calls.status(booking_id, "CONFIRMED")
    calls.move(booking_id, at_9, "CONFIRMED")
    calls.list("ada", "1 booking, 09:00")
    calls.check("at 07:00", at_7, 12)
    calls.cancel(booking_id, "CANCELED")
    calls.status(booking_id, "CANCELED")
    calls.list("ada", "0 bookings")
    calls.book_again(request, booked)


def _play_salon(calls: Calls, midnight: datetime) -> None:
    at_9, at_10 = midnight.replace(hour=9), midnight.replace(hour=10)
    half_past_9, half_past_10 = at_9.replace(minute=30), at_10.replace(minute=30)
    cut = slot_at(SALON, CUT, at_10, 30, staff=ANNA, room=CHAIRS[ANNA])
    colour_anna, colour_ben = (slot_at(SALON, COLOUR, at_9, 90, staff=who, room=BASIN) for who in (ANNA, BEN))
    early, late = (slot_at(SALON, TREATMENT, at, 45, staff=DORA, room=BASIN) for at in (half_past_9, half_past_10))
    calls.lease("cut at 10:00, Anna", cut, "bea-1", _HELD)
    # Anna cuts from 10:00; Ben does not, and takes the basin until 10:30, where a span that only touches may follow.
    calls.lease("colour 09:00-10:30, Anna", colour_anna, "cas-1", _TAKEN)
    calls.lease("colour 09:00-10:30, Ben", colour_ben, "cas-2", _HELD)
    calls.check("treatment at 09:30", early, 0)
    calls.lease("treatment at 09:30", early, "dan-1", _TAKEN)
    calls.lease("treatment at 10:30", late, "dan-2", _HELD)


def _play_restaurant(calls: Calls, midnight: datetime) -> None:
    table = _table(midnight, 19)
    tables = [_table(midnight, 19, party_size) for party_size in PARTY_SIZES]
    calls.look_up("for 2, 4 and 6 at 19:00", tables, "free, free, free")
    # A whole second, as granted expiries are, so that the answer can be foretold.
    until_s = int(time.time()) + 1 + SHORT_LEASE_S
    short = calls.lease("by Eve", table, "eve-1", f"leased until {clock(until_s)}", until_s=until_s)
    calls.lease("by Fay", table, "fay-1", _TAKEN)
    calls.do("wait until Eve's lease ends", lambda: _wait_until(until_s), "it is over")
    with_lease = booking_request(table, "eve", "eve-b1", short.lease.lease_id)
    calls.book("by Eve, with her lease", with_lease, "LEASE_EXPIRED")
    lease = calls.lease("by Fay, once more", table, "fay-1", _HELD)
    calls.book("by Fay, with her lease", booking_request(table, "fay", "fay-b1", lease.lease.lease_id), "CONFIRMED")


def _play_race(calls: Calls, address: str, table: booking_pb2.Slot) -> None:
    calls.do(
        f"CreateLease, {RACERS} connections",
        lambda: _race(address, table),
        f"1 {_HELD}, {RACERS - 1} {_TAKEN}",
    )
    calls.check("at 20:00", table, 0)


def _race(address: str, table: booking_pb2.Slot) -> str:
    """How many got which answer. All are connected before the first one asks."""
    ready = threading.Barrier(RACERS)

    def run(number: int) -> str:
        # Channels to one address share a connection unless told not to.
        with grpc.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
            request = lease_request(table, f"racer-{number}")
            try:
                grpc.channel_ready_future(channel).result(DEADLINE_S)
                ready.wait(DEADLINE_S)
                return lease_in_words(BookingServiceStub(channel).CreateLease(request, timeout=DEADLINE_S))
            except grpc.RpcError as error:
                return code_of(error)
            except (grpc.FutureTimeoutError, threading.BrokenBarrierError):
                return "without a connection"

    with ThreadPoolExecutor(RACERS) as pool:
        tally = Counter(pool.map(run, range(RACERS)))
    return ", ".join(f"{count} {answer}" for answer, count in sorted(tally.items(), key=lambda item: item[1]))


def _wait_until(at_s: int) -> str:
    time.sleep(max(0.0, at_s - time.time()))
    return "it is over"


def _recount(store: str) -> str:
    ledger = open_store(store)
    try:
        return f"{len(ledger.audit())} findings"
    finally:
        ledger.close()


def _table(midnight: datetime, hour: int, party_size: int = PARTY_SIZES[-1]) -> booking_pb2.Slot:
    return slot_at(RESTAURANT, TABLE, midnight.replace(hour=hour), 120, party_size=party_size)
