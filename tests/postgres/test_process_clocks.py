"""Two servers as people start them, whose machines' clocks disagree: the database's clock alone says what is live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import grpc
import pytest

from slotlease.domain.slot import AskedSlot
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub
from tests.postgres.ledger_database import LedgerDatabase, ledger_database
from tests.postgres.processes import server_on
from tests.store.backend import at_once
from tests.support import DAY_US, HOUR_US, MINUTE_US, NOON_US, Offered
from tests.wire import asking
from tests.wire.client import CALL_TIMEOUT_S

pytestmark = pytest.mark.slow

SKEWS_S = (-2, 3, 3600)
"""Two are 5 s apart, the third has its time zone wrong."""

# What the servers ask in production, found before the database's own: so a test sets the clock that they really read.
CLOCK = """
    CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT to_timestamp(0) + now_us * interval ''1 microsecond'' FROM public.test_clock'
"""


@pytest.fixture
def ledger(postgres: str, postgres_template: str) -> Iterator[LedgerDatabase]:
    with ledger_database(postgres, postgres_template) as ledger:
        ledger.sql(CLOCK)
        ((name,),) = ledger.sql("SELECT current_database()")
        ledger.sql(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
        yield ledger


def test_process_clocks_apart_change_nothing_and_the_databases_clock_decides(ledger: LedgerDatabase) -> None:
    slots = [Offered(start_us=NOON_US + DAY_US + number * HOUR_US) for number in range(4)]
    shop = ledger.open_shop()
    shop.offer(*slots)
    shop.store.close()
    clock = ledger.clock
    ten, eleven, twelve, one = (slot.asked() for slot in slots)
    with ExitStack() as running:
        started = at_once([partial(running.enter_context, server_on(ledger.url, skew_s=skew_s)) for skew_s in SKEWS_S])
        channels = [running.enter_context(grpc.insecure_channel(server.address)) for server in started]
        servers = list(map(BookingServiceStub, channels))
        leases: list[pb.Lease] = []
        for number, stub in enumerate(servers):
            answer = stub.CreateLease(asking.lease(slots[number].asked(), f"{number}"), timeout=CALL_TIMEOUT_S)
            leases.append(answer.lease)
        assert [lease.lease_expiration_time.ToMicroseconds() for lease in leases] == [NOON_US + 10 * MINUTE_US] * 3
        # To the last microsecond, of whomever one asks, and not a microsecond longer.
        clock.now_us = NOON_US + 10 * MINUTE_US - 1
        assert book(servers[2], ten, leases[0]).HasField("booking")
        clock.now_us = NOON_US + 10 * MINUTE_US
        told = [book(stub, eleven, leases[1]) for stub in servers]
        assert {answer.booking_failure.cause for answer in told} == {pb.BookingFailure.LEASE_EXPIRED}
        # Sold anew: then it stays so, though the database's clock steps back to when the first lease was live.
        assert servers[0].CreateLease(asking.lease(eleven, "anew"), timeout=CALL_TIMEOUT_S).HasField("lease")
        clock.now_us = NOON_US
        for number, stub in enumerate(servers):
            assert book(stub, eleven, leases[1]).booking_failure.cause == pb.BookingFailure.LEASE_EXPIRED
            again = stub.CreateLease(asking.lease(eleven, f"again {number}"), timeout=CALL_TIMEOUT_S)
            assert again.booking_failure.cause == pb.BookingFailure.SLOT_UNAVAILABLE
            check = asking.check(eleven)
            assert stub.CheckAvailability(check, timeout=CALL_TIMEOUT_S).count_available == 0
        # What nobody judged dead is live again: nothing was sold of it.
        assert book(servers[0], twelve, leases[2]).HasField("booking")
        winners = at_once(
            [
                partial(stub.CreateLease, asking.lease(one, f"one {n}"), timeout=CALL_TIMEOUT_S)
                for n, stub in enumerate(servers)
            ]
        )
        assert sum(answer.HasField("lease") for answer in winners) == 1
    assert ledger.audit() == []
    ((latest_us,),) = ledger.sql("SELECT max(at_us) FROM event")
    assert latest_us == NOON_US + 10 * MINUTE_US - 1, "what is written down has the database's time too"


def book(stub: BookingServiceStub, slot: AskedSlot, lease: pb.Lease) -> rpc.CreateBookingResponse:
    return stub.CreateBooking(
        asking.booking(slot, f"of {lease.lease_id}", lease_id=lease.lease_id), timeout=CALL_TIMEOUT_S
    )
