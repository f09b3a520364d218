"""A booking server the way it is usually written: one transaction for each call, `SELECT ... FOR UPDATE` on the slot's
row, the ORM, a pool of threads. CreateLease only, over the same messages as ours, and with the same promises: a token
gets one lease, a slot no more live leases than spots, and an answer means that it is on the disk.

`python -m bench.peers.plain URL SLOTS MERCHANTS SPOTS` fills an empty database, prints where it listens, and ends when
its input does.
"""

from __future__ import annotations

import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import grpc
from sqlalchemy import ForeignKey, UniqueConstraint, create_engine, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from bench.inventory import Inventory
from slotlease.domain.slot import SECOND_US
from slotlease.wire.proto.v2.booking_pb2 import BookingFailure
from slotlease.wire.proto.v2.booking_pb2 import Lease as LeaseMessage
from slotlease.wire.proto.v2.booking_service_pb2 import CreateLeaseRequest, CreateLeaseResponse

SERVICE = "ext.maps.booking.partner.v2.BookingService"
THREADS = 32
LEASE_TIME = timedelta(minutes=10)
PIECE = 10_000


class Base(DeclarativeBase):  # type: ignore[misc] # the library is not where mypy looks
    pass


class Slot(Base):
    __tablename__ = "slot"
    __table_args__ = (UniqueConstraint("merchant_id", "service_id", "start_s", "duration_s"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    merchant_id: Mapped[str]
    service_id: Mapped[str]
    start_s: Mapped[int]
    duration_s: Mapped[int]
    spots: Mapped[int]


class Lease(Base):
    __tablename__ = "lease"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    slot_id: Mapped[int] = mapped_column(ForeignKey("slot.id"), index=True)
    user_reference: Mapped[str] = mapped_column(unique=True)
    expires_s: Mapped[int]


class PlainService:
    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions

    def create_lease(self, request: CreateLeaseRequest, context: grpc.ServicerContext) -> CreateLeaseResponse:
        try:
            return self._lease(request.lease, context)
        except IntegrityError:
            # Another call with this token was quicker, and has committed: its lease is found now.
            return self._lease(request.lease, context)

    def _lease(self, asked: LeaseMessage, context: grpc.ServicerContext) -> CreateLeaseResponse:
        named = asked.slot
        with self._sessions.begin() as session:
            lease = session.scalar(select(Lease).where(Lease.user_reference == asked.user_reference))
            if lease is None:
                slot = session.scalar(
                    select(Slot)
                    .filter_by(
                        merchant_id=named.merchant_id,
                        service_id=named.service_id,
                        start_s=named.start_time.seconds,
                        duration_s=named.duration.seconds,
                    )
                    .with_for_update()
                )
                if slot is None:
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such slot")
                now = datetime.now(tz=UTC)
                live = select(func.count()).where(Lease.slot_id == slot.id, Lease.expires_s > now.timestamp())
                if (session.scalar(live) or 0) >= slot.spots:
                    cause = BookingFailure(cause=BookingFailure.SLOT_UNAVAILABLE)
                    return CreateLeaseResponse(booking_failure=cause)
                expires_s = int((now + LEASE_TIME).timestamp())
                lease = Lease(slot_id=slot.id, user_reference=asked.user_reference, expires_s=expires_s)
                session.add(lease)
                session.flush()
            answer = CreateLeaseResponse(lease=asked)
            answer.lease.lease_id = str(lease.id)
            answer.lease.lease_expiration_time.seconds = lease.expires_s
        return answer


def fill(sessions: sessionmaker[Session], inventory: Inventory) -> None:
    with sessions.begin() as session:
        for first in range(0, inventory.slots, PIECE):
            asked = map(inventory.slot, range(first, min(first + PIECE, inventory.slots)))
            rows = [
                {
                    "merchant_id": one.merchant_id,
                    "service_id": one.service_id,
                    "start_s": one.start_us // SECOND_US,
                    "duration_s": one.duration_us // SECOND_US,
                    "spots": inventory.spots,
                }
                for one in asked
            ]
            session.execute(insert(Slot), rows)


def main() -> None:
    url, slots, merchants, spots = sys.argv[1:]
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), pool_size=THREADS)
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    fill(sessions, Inventory(int(slots), int(merchants), int(spots)))
    server = grpc.server(ThreadPoolExecutor(THREADS))
    create_lease = grpc.unary_unary_rpc_method_handler(
        PlainService(sessions).create_lease,
        request_deserializer=CreateLeaseRequest.FromString,
        response_serializer=CreateLeaseResponse.SerializeToString,
    )
    service = grpc.method_handlers_generic_handler(SERVICE, {"CreateLease": create_lease})
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop(0).wait()


if __name__ == "__main__":
    main()
