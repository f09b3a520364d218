"""What version 2 answers when something fails: the last rows of DESIGN section 5, over a socket. What it never answers
stands in test_any_request.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, cast

import grpc

from slotlease.desk.lane import Ticket
from slotlease.desk.operation import Operation
from slotlease.domain.facts import Wanted
from slotlease.domain.view import View
from slotlease.wire.proto.v2 import booking_pb2 as pb
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc
from tests.support import Offered, Shop
from tests.wire import asking
from tests.wire.asking import Ended
from tests.wire.client import CALL_TIMEOUT_S, cause_of
from tests.wire.conftest import Served, serving

SLOT = Offered().asked()


class Stall(Operation[None]):
    """Holds up the lane of the writes from the moment it is decided until it is told to go on."""

    writes: ClassVar[bool] = True

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def want(self, wanted: Wanted) -> None:
        """Nothing."""

    def decide(self, view: View) -> None:  # noqa: ARG002 - it looks at nothing
        self.begun.set()
        self.go_on.wait(CALL_TIMEOUT_S)


@contextmanager
def stalled(served: Served) -> Iterator[None]:
    """While the block runs, no write begins."""
    stall = Stall()
    served.desk.submit(stall, deadline_s=None, notify=_ignore)
    assert stall.begun.wait(CALL_TIMEOUT_S)
    try:
        yield
    finally:
        stall.go_on.set()


def _ignore(tickets: list[Ticket]) -> None:
    """Nobody waits for these."""


def is_unavailable(ended: Ended) -> bool:
    """UNAVAILABLE, with when to ask again and no word of why."""
    assert ended.code is grpc.StatusCode.UNAVAILABLE
    assert ended.text == "not available now, ask again in 1 s"
    assert ended.retry is not None
    return ended.retry.retry_delay.seconds == 1


# --- overload, draining, database away: UNAVAILABLE + RetryInfo


def test_when_too_many_wait_the_next_is_unavailable_at_once(shop: Shop) -> None:
    with serving(shop, waiting_max=1) as served, stalled(served):
        served.desk.submit(Stall(), deadline_s=0, notify=_ignore)  # it waits, and will be past its deadline
        assert is_unavailable(served.client().ended(asking.lease(SLOT, "r")))
        assert served.client().count_available(SLOT) == 1


def test_a_server_that_is_draining_is_unavailable(shop: Shop) -> None:
    with serving(shop) as served:
        served.desk.close()
        assert is_unavailable(served.client().ended(asking.lease(SLOT, "r")))
        assert is_unavailable(served.client().ended(asking.check(SLOT)))


def test_when_the_database_is_away_every_call_is_unavailable(shop: Shop) -> None:
    with serving(shop) as served:
        client = served.client()
        booking_id = client.book(SLOT, user_id="ada").booking_id
        shop.store.close()
        for request in (
            asking.check(SLOT),
            asking.lookup("m1", SLOT),
            asking.lease(SLOT, "r"),
            asking.booking(SLOT, "t"),
            asking.cancellation(booking_id),
            rpc.GetBookingStatusRequest(booking_id=booking_id),
            rpc.ListBookingsRequest(user_id="ada"),
        ):
            assert is_unavailable(client.ended(request))


# --- our bug: INTERNAL, "internal error, incident <id>" and nothing else


def test_a_bug_in_the_server_is_internal_and_tells_only_the_incident(shop: Shop) -> None:
    def broken() -> bytes:
        message = "the password is hunter2"
        raise RuntimeError(message)

    with serving(shop, new_secret=broken) as served:
        ended = served.client().ended(asking.lease(SLOT, "r"))
        assert ended == Ended(grpc.StatusCode.INTERNAL, "internal error, incident incident-1")
        assert [str(error) for error in served.incidents] == ["the password is hunter2"]
        assert served.client().count_available(SLOT) == 1


def test_a_bug_below_the_desk_is_internal_and_tells_only_the_incident(shop: Shop) -> None:
    with serving(shop, new_secret=lambda: cast("bytes", None)) as served:
        ended = served.client().ended(asking.lease(SLOT, "r"))
        assert ended == Ended(grpc.StatusCode.INTERNAL, "internal error, incident incident-1")
        assert len(served.incidents) == 1
        assert served.client().count_available(SLOT) == 1


# --- the caller's deadline: DEADLINE_EXCEEDED, and nothing was done unless the batch had begun


def test_a_lease_whose_caller_stopped_waiting_before_its_batch_holds_nothing(shop: Shop) -> None:
    with serving(shop) as served:
        with stalled(served):
            ended = asking.ended(lambda: served.stub.CreateLease(asking.lease(SLOT, "late"), timeout=0.2))
            assert ended.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert served.client().lease(SLOT, "next").user_reference == "next"
        assert cause_of(served.client().create_lease(SLOT, "late")) == pb.BookingFailure.SLOT_UNAVAILABLE
