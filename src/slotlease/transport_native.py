"""The other server library for gRPC: HTTP/2 outside of the interpreter's lock, plaintext only (docs/decisions/0023).

One thread takes calls from it, as many as have come, carries them through the desk as one batch, and answers them. No
thread wakes another meanwhile, nor contends with one for the interpreter: that costs more than the rules and the store
together (docs/performance.md). Health, reflection and what nobody serves are answered by a grpcio behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, cast

import grpc
import grpc.aio

from slotlease.desk.desk import Desk
from slotlease.desk.lane import Ticket
from slotlease.serving import cannot_listen
from slotlease.telemetry import Report
from slotlease.transport import (
    DEFAULT_LIMITS,
    METADATA_BYTES_MAX,
    RECEIVE_BYTES_MAX,
    Asked,
    GrpcTransport,
    Handler,
    Limits,
)

if TYPE_CHECKING:
    import pygrpc_native as native

EVENTS_AT_ONCE: Final = 1024
"""Taken from the library's queue at a time: more than may be under way, so that one too many is told so at once."""

LOOKS_MAX: Final = 3
"""How often those that came while others were decoded are taken along into the same batch."""

IO_THREADS: Final = 1
"""The library's own, for HTTP/2. One does eighty thousand calls a second; a second one only takes turns with it."""

STALLED_S: Final = 0.04
"""A batch that takes longer than this, or half of it, waits for the store. Callers are told that they are one too many,
and may give up, all the same: well within the tenth of a second that a refusal may take."""

_NEVER_S: Final = (2**31 - 1) / 1000
_ANY_NUMBER: Final = 2**31 - 2
"""Of connections: the most that grpcio takes for a limit."""

Event = tuple[int, int, int, bytes | None, object, tuple[object, str, float | None] | None]
"""Kind, number of the call and of the method, payload; metadata, caller's address and seconds left. The last two things
are missing where a call is cancelled."""

Call = Coroutine[Asked, object, bytes]
"""A handler under way: it yields what it asks for, is sent the answer, and returns the caller's."""


class TransportMissing(Exception):
    """A server library was asked for that is not installed; the text says what to do."""


class Aborted(Exception):
    """How a handler ends a call with a status: raised by its context."""

    def __init__(
        self, code: grpc.StatusCode, details: str, trailing_metadata: Collection[tuple[str, str | bytes]]
    ) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.trailing_metadata = trailing_metadata


class Context(NamedTuple):
    """What a handler is given: `left_s` until its caller's deadline, None where there is none; `address` is the
    caller's."""

    left_s: float | None
    address: str

    def time_remaining(self) -> float | None:
        return self.left_s

    def peer(self) -> str:
        return self.address

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Collection[tuple[str, str | bytes]] = ()
    ) -> NoReturn:
        raise Aborted(code, details, trailing_metadata)


class NativeTransport:
    """Serves handlers as GrpcTransport does. Made, used and stopped on one running event loop, which is needed for
    health, and stands in for the thread that works while that waits for the store. Handlers await nothing but `Asked`;
    they are called on either thread. Raises TransportMissing."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        desk: Desk,
        report: Report,
        *,
        reflection: bool = False,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._library = _library()
        self._front: native.NativeGrpcFront | None = None
        self._handlers = handlers
        self._by_number = list(handlers.values())
        self._desk = desk
        self._report = report
        self._limits = limits
        services = dict.fromkeys(path.split("/")[1] for path in handlers)
        unbounded = replace(limits, connections_max=_ANY_NUMBER, idle_s=_NEVER_S, age_s=_NEVER_S)
        self._behind = GrpcTransport({}, reflection=reflection, limits=unbounded, elsewhere=list(services))
        self._under_way: dict[int, tuple[Call, Ticket]] = {}
        self._stopping = False
        self._began_s: float | None = None
        self._standing_in: asyncio.Task[None] | None = None
        self._folder = ""

    def bind(self, address: str) -> int:
        """Takes HOST:PORT, where port 0 is any free one, and returns the port. Raises CannotListen."""
        try:
            self._front = self._library.NativeGrpcFront(
                address,
                [(path, False) for path in self._handlers],
                io_threads=IO_THREADS,
                call_details=True,
                keepalive_time_ms=round(self._limits.keepalive_s * 1000),
                keepalive_timeout_ms=round(self._limits.keepalive_timeout_s * 1000),
                # As grpcio: a connection without a call is left alone.
                keepalive_permit_without_calls=False,
                max_concurrent_streams=self._limits.streams_max,
                max_metadata_size=METADATA_BYTES_MAX,
                reuse_port=self._limits.shares_port,
            )
        except OSError as error:
            raise cannot_listen(address) from error
        return self._front.bound_port

    async def start(self) -> None:
        front = self._bound
        self._folder = tempfile.mkdtemp(prefix="slotlease-")
        path = f"{self._folder}/behind"
        self._behind.bind(f"unix:{path}")
        await self._behind.start()
        front.set_fallback(path)
        front.start()
        threading.Thread(target=self._work, args=(front,), name="calls", daemon=True).start()
        self._standing_in = asyncio.create_task(self._stand_in(front))

    async def tell_health(self, *, serving: bool) -> None:
        """As GrpcTransport."""
        await self._behind.tell_health(serving=serving)

    async def drain(self) -> None:
        """As GrpcTransport."""
        await self._behind.drain()

    async def stop(self, grace_s: float) -> None:
        """As GrpcTransport. A caller whose answer is given in the last moment may still be cut."""
        self._stopping = True
        until_s = time.monotonic() + grace_s
        await self._behind.stop(grace_s)
        while self._under_way and time.monotonic() < until_s:  # noqa: ASYNC110 - calls end on another thread
            await asyncio.sleep(0.005)
        if self._standing_in is not None:
            self._standing_in.cancel()
        if self._front is not None:
            await asyncio.to_thread(self._front.close)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _bound(self) -> native.NativeGrpcFront:
        assert self._front is not None, "bind comes first"  # noqa: S101 - a mistake of ours
        return self._front

    # --- the thread that works, and the loop that stands in for it -------------------------------------------------

    def _work(self, front: native.NativeGrpcFront) -> None:
        while (events := front.recv_batch_details(EVENTS_AT_ONCE)) is not None:
            try:
                self._carry_through(front, events)
            except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the server for all
                self._report(error)

    def _carry_through(self, front: native.NativeGrpcFront, events: Sequence[Event]) -> None:
        tickets = self._begin(front, events)
        for _ in range(LOOKS_MAX):
            # Those that came meanwhile share the commit.
            more = front.recv_batch_details(EVENTS_AT_ONCE, 0)
            if not more:
                break
            tickets += self._begin(front, more)
        self._began_s = time.monotonic()
        try:
            self._desk.work(tickets)
        finally:
            self._began_s = None

    async def _stand_in(self, front: native.NativeGrpcFront) -> None:
        while True:
            await asyncio.sleep(STALLED_S / 2)
            began_s = self._began_s
            if began_s is not None and time.monotonic() - began_s > STALLED_S / 2:
                self._desk.put(self._begin(front, front.recv_batch_details(EVENTS_AT_ONCE, 0) or ()))

    # --- calls, on either thread -----------------------------------------------------------------------------------

    def _begin(self, front: native.NativeGrpcFront, events: Sequence[Event]) -> list[Ticket]:
        tickets = []
        for kind, number, method_no, payload, _, details in events:
            if kind == self._library.EVENT_CANCEL:
                self._give_up(number)
            elif self._stopping:
                front.fail(number, _number(grpc.StatusCode.UNAVAILABLE), "the server is stopping")
            elif payload is None or details is None or len(payload) > RECEIVE_BYTES_MAX:
                front.fail(number, _number(grpc.StatusCode.RESOURCE_EXHAUSTED), _TOO_LONG)
            else:
                _, address, left_s = details
                call = self._by_number[method_no](payload, cast("Any", Context(left_s, address)))
                ticket = self._go_on(number, cast("Call", call), None)
                if ticket is not None:
                    tickets.append(ticket)
        return tickets

    def _go_on(self, number: int, call: Call, answer: object) -> Ticket | None:
        """Up to the call's end, or to what it asks the desk for."""
        front = self._bound
        try:
            asked = call.send(answer)
        except StopIteration as ended:
            front.respond(number, ended.value)
        except Aborted as aborted:
            front.fail(number, _number(aborted.code), aborted.details, list(aborted.trailing_metadata))
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            self._report(error)
            front.fail(number, _number(grpc.StatusCode.INTERNAL), "")
        else:
            ticket = Ticket(asked.operation, asked.deadline_s, self._answered, number)
            self._under_way[number] = call, ticket
            return ticket
        return None

    def _answered(self, tickets: Sequence[Ticket]) -> None:
        """On whichever thread the desk answered them."""
        asking = []
        for ticket in tickets:
            number = cast("int", ticket.caller)
            # Whoever takes it out goes on with it: the answer, or its caller who gave up.
            under_way = self._under_way.pop(number, None)
            if under_way is not None:
                asked = self._go_on(number, under_way[0], ticket.answer)
                if asked is not None:
                    asking.append(asked)
        if asking:
            self._desk.put(asking)

    def _give_up(self, number: int) -> None:
        under_way = self._under_way.pop(number, None)
        if under_way is not None:
            call, ticket = under_way
            ticket.give_up()
            with contextlib.suppress(asyncio.CancelledError):
                _ = call.throw(asyncio.CancelledError())


_TOO_LONG: Final = f"Received message larger than max ({RECEIVE_BYTES_MAX})"


def _number(code: grpc.StatusCode) -> int:
    number: int = code.value[0]
    return number


def _library() -> Any:
    try:
        import pygrpc_native  # noqa: PLC0415 - an extra
    except ImportError as error:
        message = (
            "the native transport was asked for and its library is not installed: pip install 'slotlease[native]', or "
            "say --transport grpcio"
        )
        raise TransportMissing(message) from error
    return pygrpc_native
