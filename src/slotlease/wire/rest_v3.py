"""Version 3 of the API: JSON over HTTP. Each call is decoded, asked of the desk, and its answer encoded.

An ASGI application, so that any HTTP server can serve it. Paths are taken in any letter case, with a slash at the end
or without (Google's pages print both); CreateLease stands in Google's messages and not in its table of paths: the path
is ours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import grpc
from google.protobuf.json_format import MessageToDict
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from slotlease.domain.booking import Booking
from slotlease.domain.failure import BookingFailure, InvalidArgument, NotFound
from slotlease.domain.lease import Lease
from slotlease.telemetry import Report
from slotlease.telemetry.metrics import Metrics
from slotlease.wire import codec_v3 as codec
from slotlease.wire import encode_v3 as encode
from slotlease.wire import outcome
from slotlease.wire.admission import Admission
from slotlease.wire.bridge import Ask
from slotlease.wire.doorkeeper import Doorkeeper
from slotlease.wire.interceptor import Rpc
from slotlease.wire.limits import PAYLOAD_BYTES_MAX
from slotlease.wire.openapi_v3 import document
from slotlease.wire.outcome import HTTP_CODES, RETRY_AFTER_S, Ending, answered, refused, unimplemented
from slotlease.wire.record import Record, recorder

SERVICE: Final = "ext.maps.booking.partner.v3.BookingService"
"""As logs and metrics name it; over HTTP nobody does."""

BODY_TIMEOUT_S: Final = 10.0
"""For the whole body of a request. Google gives a whole call less (google-policies)."""

DEADLINE_S: Final = 15.0
"""HTTP brings no deadline. Past the longest that Google waits for any call, nobody listens."""

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers by which a proxy says that the caller is somebody else than who has the connection. What they say is read by
nobody: nothing here depends on a caller's address."""

_AS_IS: Final[Mapping[str, str]] = {}
_IN_LEASE: Final = {"slot": "lease.slot", "client_reference": "lease.user_reference"}
_IN_BOOKING: Final = {"slot": "booking.slot", "status": "booking.status", "booking_id": "booking.booking_id"}
_LATER: Final = (
    "BatchGetWaitEstimates",
    "CreateWaitlistEntry",
    "GetWaitlistEntry",
    "DeleteWaitlistEntry",
)


@dataclass(frozen=True, slots=True)
class _Method:
    rpc: Rpc
    record: Record


def application(  # noqa: PLR0913 - what the versions over gRPC take, and a prefix
    ask: Ask,
    *,
    new_secret: Callable[[], bytes],
    report: Report,
    admission: Admission,
    is_serving: Callable[[], bool],
    doorkeeper: Doorkeeper,
    metrics: Metrics | None = None,
    leases: bool = True,
    prefix: str = "",
) -> ASGIApp:
    """Serves `prefix` + /v3/<Method> to those whom `doorkeeper` lets in; HealthCheck, which says what `is_serving`
    does, and openapi.json are for everybody. `new_secret` gives SECRET_BYTES random bytes each time."""
    service = BookingServiceV3(ask, new_secret)
    rpcs: dict[str, Rpc] = {
        "CheckAvailability": service.check_availability,
        "BatchAvailabilityLookup": service.batch_availability_lookup,
        "CreateLease": service.create_lease if leases else _no_leases,
        "CreateBooking": service.create_booking,
        "UpdateBooking": service.update_booking,
        "GetBookingStatus": service.get_booking_status,
        "ListBookings": service.list_bookings,
        "SetMarketingPreference": service.set_marketing_preference,
        **dict.fromkeys(_LATER, _not_yet),
    }
    counted = metrics or Metrics()  # counted all the same, and shown to nobody
    methods = {
        f"{prefix}/v3/{name}".lower(): _Method(rpc, recorder("v3", SERVICE, name, counted))
        for name, rpc in rpcs.items()
    }
    described = document({name: name not in _LATER and (leases or name != "CreateLease") for name in rpcs}, prefix)
    pages: dict[str, Callable[[], Response]] = {
        f"{prefix}/v3/healthcheck": lambda: JSONResponse({"status": "SERVING"}) if is_serving() else _unavailable(),
        f"{prefix}/v3/openapi.json": lambda: JSONResponse(described),
    }
    return _Application(methods, {path.lower(): page for path, page in pages.items()}, doorkeeper, report, admission)


class BookingServiceV3:
    """Raises Malformed and DeskFault, which the application turns into status codes."""

    def __init__(self, ask: Ask, new_secret: Callable[[], bytes]) -> None:
        self._ask = ask
        self._new_secret = new_secret

    async def check_availability(self, payload: bytes, deadline_s: float | None) -> Ending:
        operation, slot = codec.check_availability(payload)
        answer = await self._ask(operation, deadline_s)
        if isinstance(answer, InvalidArgument):
            return _refused(answer, _AS_IS)
        return answered(encode.availability(slot, answer))

    async def batch_availability_lookup(self, payload: bytes, deadline_s: float | None) -> Ending:
        operation, request = codec.batch_availability_lookup(payload)
        answer = await self._ask(operation, deadline_s)
        if isinstance(answer, InvalidArgument):
            return _refused(answer, _AS_IS)
        return answered(encode.batch_availability(request, answer))

    async def create_lease(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.create_lease(payload, self._new_secret()), deadline_s)
        if isinstance(answer, Lease):
            return answered(encode.lease(answer))
        if isinstance(answer, BookingFailure):
            return answered(encode.lease(answer), answer.cause)
        return _refused(answer, _IN_LEASE)

    async def create_booking(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.create_booking(payload, self._new_secret()), deadline_s)
        if isinstance(answer, Booking):
            return answered(encode.booking_created(answer))
        if isinstance(answer, BookingFailure):
            return answered(encode.booking_created(answer), answer.cause)
        return _refused(answer, _AS_IS)

    async def update_booking(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.update_booking(payload), deadline_s)
        if isinstance(answer, Booking):
            return answered(encode.booking_updated(answer))
        if isinstance(answer, BookingFailure):
            return answered(encode.booking_updated(answer), answer.cause)
        ending = _refused(answer, _IN_BOOKING)
        # An unknown booking too is the request's mistake here, and only here (DESIGN 5; Google's status-codes page).
        return ending._replace(code=grpc.StatusCode.INVALID_ARGUMENT)

    async def get_booking_status(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.get_booking_status(payload), deadline_s)
        if isinstance(answer, NotFound):
            return _refused(answer, _AS_IS)
        return answered(encode.booking_status(answer))

    async def list_bookings(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.list_bookings(payload), deadline_s)
        if isinstance(answer, NotFound):
            return _refused(answer, _AS_IS)
        return answered(encode.bookings(answer))

    async def set_marketing_preference(self, payload: bytes, deadline_s: float | None) -> Ending:
        answer = await self._ask(codec.set_marketing_preference(payload), deadline_s)
        return answered(encode.marketing_preference(answer))


def _refused(refusal: InvalidArgument | NotFound, paths: Mapping[str, str]) -> Ending:
    """A slot begins at `start_sec` here, and not at version 2's `start_time`."""
    return refused(replace(refusal, field=refusal.field.replace("slot.start_time", "slot.start_sec")), paths)


async def _no_leases(payload: bytes, deadline_s: float | None) -> Ending:  # noqa: ARG001 - it is an Rpc
    return unimplemented("this server holds no slots; book directly with CreateBooking")


async def _not_yet(payload: bytes, deadline_s: float | None) -> Ending:  # noqa: ARG001 - it is an Rpc
    return unimplemented("this server does not offer this method")


class _Application:
    def __init__(
        self,
        methods: Mapping[str, _Method],
        pages: Mapping[str, Callable[[], Response]],
        doorkeeper: Doorkeeper,
        report: Report,
        admission: Admission,
    ) -> None:
        self._methods = methods
        self._pages = pages
        self._doorkeeper = doorkeeper
        self._report = report
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = request.url.path.lower().rstrip("/")
        page = self._pages.get(path)
        if page is not None:
            return page() if request.method in {"GET", "HEAD"} else _unread(request, _wrong_verb("GET"))
        method = self._methods.get(path)
        if method is None:
            told = "no such method; the methods are /v3/<Method>, as Google's pages name them"
            return _unread(request, _error(404, "NOT_FOUND", told))
        if request.method != "POST":
            return _unread(request, _wrong_verb("POST"))
        began_s = time.monotonic()
        body = _Body(request)
        ending = await self._call(method, body, began_s)
        method.record(ending, began_s)
        if ending.error is None:
            return Response(ending.payload, media_type="application/json")
        response = _failed(ending)
        return response if body.is_read else _unread(request, response)

    async def _call(self, method: _Method, body: _Body, began_s: float) -> Ending:
        if not self._admission.enter():
            return outcome.UNAVAILABLE
        try:
            payload = await body.read()
            headers = body.request.headers
            forwarded = any(name in headers for name in _FORWARDED)
            if not await self._doorkeeper.lets_in(headers.get("authorization"), forwarded=forwarded):
                return outcome.unauthenticated()
            problem = _why_not_json(headers) or body.problem
            if problem:
                return outcome.malformed(problem)
            return await method.rpc(payload, began_s + DEADLINE_S)
        except (asyncio.CancelledError, ClientDisconnect):
            method.record(Ending(grpc.StatusCode.CANCELLED), began_s)
            raise
        except Exception as error:  # noqa: BLE001 - the server library's own net would tell nothing that we know
            return outcome.of_exception(error, self._report)
        finally:
            self._admission.leave()


def _unread(request: Request, response: Response) -> Response:
    """The answer to a request whose body, if it has one, was not read to its end. What is left of it would be taken for
    the next request, so the connection ends: whoever is not told sends the next one and gets no answer."""
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        response.headers["Connection"] = "close"
    return response


class _Body:
    """A request's body. `problem` says why it was not read to its end."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.problem = ""
        self.is_read = False

    async def read(self) -> bytes:
        """All of it, or what came before it was too long or too slow."""
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                found = await self._gather()
        except TimeoutError:
            self.problem = f"the body did not arrive within {BODY_TIMEOUT_S:g} s"
            return b""
        if found is None:
            self.problem = f"the request is longer than {PAYLOAD_BYTES_MAX:,} bytes"
            return b""
        self.is_read = True
        return found

    async def _gather(self) -> bytes | None:
        """None where it is too long."""
        found = bytearray()
        async for chunk in self.request.stream():
            found += chunk
            if len(found) > PAYLOAD_BYTES_MAX:
                return None
        return bytes(found)


async def _live(receive: Receive, send: Send) -> None:
    """Whoever serves the application says when it begins and when it ends; there is nothing to do at either."""
    while True:
        told = (await receive())["type"]
        await send({"type": f"{told}.complete"})
        if told == "lifespan.shutdown":
            return


def _why_not_json(headers: Headers) -> str:
    """What the headers say of a body that we cannot read; empty where they say nothing wrong."""
    kind, _, parameters = headers.get("content-type", "application/json").lower().partition(";")
    if kind.strip() != "application/json" or parameters.strip().replace('"', "") not in {"", "charset=utf-8"}:
        return "the body must be application/json in UTF-8"
    if headers.get("content-encoding", "identity").lower() != "identity":
        return "the body must not be compressed"
    return ""


# --- what did not end well ------------------------------------------------------------------------------------


def _unavailable() -> Response:
    return _failed(outcome.UNAVAILABLE)


def _failed(ending: Ending) -> Response:
    assert ending.error is not None  # noqa: S101 - tells the checker what the caller asked
    details = [MessageToDict(detail) for detail in ending.error.details]
    headers = {}
    if ending.code is grpc.StatusCode.UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if ending.code is grpc.StatusCode.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Basic realm="slotlease", charset="UTF-8"'
    return _error(HTTP_CODES[ending.code], ending.code.name, ending.error.message, details, headers)


def _wrong_verb(allowed: str) -> Response:
    return _error(405, "METHOD_NOT_ALLOWED", f"this method is called with {allowed}", headers={"Allow": allowed})


def _error(
    code: int,
    status: str,
    message: str,
    details: list[dict[str, object]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    error = {"code": code, "status": status, "message": message, "details": details or []}
    return JSONResponse({"error": error}, code, headers)
