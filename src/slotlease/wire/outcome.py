"""How a call ends: the one table from refusal or fault to status code or BookingFailure (DESIGN 5).

A refusal for a reason of business is an answer: in version 2 the call ends OK and carries its cause, in version 0 it
ends with a status code. A request that is wrong, and a fault of ours, end the call with a status code and details that
a program can read (AIP-193). UNKNOWN is never among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from slotlease.desk.fault import Broken, DeadlinePassed, Unavailable
from slotlease.domain.failure import BookingFailure, Cause, InvalidArgument, NotFound, Reason
from slotlease.telemetry import Report
from slotlease.wire.limits import Malformed
from slotlease.wire.proto.v2.booking_pb2 import BookingFailure as Failure

ERROR_DOMAIN: Final = "slotlease"
RETRY_AFTER_S: Final = 1
MISTAKES_SHOWN_MAX: Final = 8
"""Details travel in a trailer, and a client takes 8 KiB of those by default."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a cause is said: by number in version 2, by status code in version 0, which has no BookingFailure."""

    v2: Failure.Cause.ValueType
    v0: grpc.StatusCode


CAUSES: Final[Mapping[Cause, Spelling]] = {
    Cause.SLOT_UNAVAILABLE: Spelling(Failure.SLOT_UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED),
    Cause.SLOT_ALREADY_BOOKED_BY_USER: Spelling(Failure.SLOT_ALREADY_BOOKED_BY_USER, grpc.StatusCode.ALREADY_EXISTS),
    Cause.LEASE_EXPIRED: Spelling(Failure.LEASE_EXPIRED, grpc.StatusCode.NOT_FOUND),
    Cause.OUTSIDE_CANCELLATION_WINDOW: Spelling(Failure.OUTSIDE_CANCELLATION_WINDOW, grpc.StatusCode.INVALID_ARGUMENT),
    Cause.BOOKING_ALREADY_CANCELLED: Spelling(Failure.BOOKING_ALREADY_CANCELLED, grpc.StatusCode.INVALID_ARGUMENT),
    Cause.PAYMENT_ERROR: Spelling(Failure.PAYMENT_ERROR, grpc.StatusCode.FAILED_PRECONDITION),
    Cause.OFFER_UNAVAILABLE: Spelling(Failure.OFFER_UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION),
}

HTTP_CODES: Final[Mapping[grpc.StatusCode, int]] = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
"""Google's status-codes page, for version 3; a method may say some of them otherwise (`rest_v3.py`)."""


class Ending(NamedTuple):
    """How one call ended. `cause` is for the log and the metrics: a Cause, a Reason or an incident, nobody's data.
    One that did not end well has its `error`, and as `status` the same as gRPC sends it."""

    code: grpc.StatusCode
    cause: str = ""
    payload: bytes = b""
    status: grpc.Status | None = None
    error: Status | None = None


def answered(payload: bytes, cause: Cause | None = None) -> Ending:
    """OK, with what was asked for or with the cause of the refusal in it."""
    return Ending(grpc.StatusCode.OK, "" if cause is None else cause.value, payload)


def refused(refusal: InvalidArgument | NotFound, paths: Mapping[str, str]) -> Ending:
    """A status code. `paths` says where the wire keeps what the domain calls by the first part of a field's name."""
    root, dot, rest = refusal.field.partition(".")
    field = paths.get(root, root) + dot + rest
    if isinstance(refusal, InvalidArgument):
        return _invalid((replace(refusal, field=field),))
    info = ErrorInfo(reason="NOT_FOUND", domain=ERROR_DOMAIN, metadata={"field": field})
    return _ending(grpc.StatusCode.NOT_FOUND, info.reason, f"{field}: {refusal.description}", info)


def failed(failure: BookingFailure) -> Ending:
    """The refusal as version 0 tells it: a status code, its cause by name in the details."""
    info = ErrorInfo(reason=failure.cause.value, domain=ERROR_DOMAIN)
    return _ending(CAUSES[failure.cause].v0, failure.cause.value, failure.description, info)


def malformed(description: str) -> Ending:
    """The request as a whole is wrong, before any of its fields was read."""
    return _invalid((InvalidArgument("", description),))


def unauthenticated() -> Ending:
    return _ending(
        grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "no valid credentials; send them with each request"
    )


def unimplemented(text: str) -> Ending:
    return _ending(grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED", text)


def of_exception(error: Exception, report: Report) -> Ending:
    """What is told of an exception: nothing of its text, which may be anybody's (DESIGN 5)."""
    match error:
        case Malformed():
            return _invalid(error.mistakes)
        case Unavailable():
            return UNAVAILABLE
        case DeadlinePassed():
            text = "the deadline passed before the request was begun; nothing was done"
            return _ending(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", text)
        case Broken():
            incident = error.incident
        case _:
            incident = report(error)
    return _ending(grpc.StatusCode.INTERNAL, incident, f"internal error, incident {incident}")


def _invalid(mistakes: tuple[InvalidArgument, ...]) -> Ending:
    # Syntax is judged before existence (DESIGN 5), so an unknown slot is the reason only where nothing is misspelt.
    reason = next((m.reason for m in mistakes if m.reason is Reason.FIELD_INVALID), mistakes[0].reason)
    shown = mistakes[:MISTAKES_SHOWN_MAX]
    violations = [BadRequest.FieldViolation(field=m.field, description=m.description) for m in shown]
    text = ": ".join(filter(None, (mistakes[0].field, mistakes[0].description)))
    if len(mistakes) > 1:
        text += f" (and {len(mistakes) - 1} more mistakes)"
    info = ErrorInfo(reason=reason.value, domain=ERROR_DOMAIN)
    return _ending(grpc.StatusCode.INVALID_ARGUMENT, reason.value, text, BadRequest(field_violations=violations), info)


def _ending(code: grpc.StatusCode, cause: str, text: str, *details: Message) -> Ending:
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    number: int = code.value[0]
    error = Status(code=number, message=text, details=packed)
    return Ending(code, cause, status=rpc_status.to_status(error), error=error)


UNAVAILABLE: Final = _ending(
    grpc.StatusCode.UNAVAILABLE,
    "UNAVAILABLE",
    f"not available now, ask again in {RETRY_AFTER_S} s",
    RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER_S)),
)
"""Made once: it is said most often when there is least time to say it."""

CALLER_UNKNOWN: Final = _ending(
    grpc.StatusCode.PERMISSION_DENIED,
    "CALLER_UNKNOWN",
    "no name in the client certificate is one that may call here; ask whoever runs this server to add it",
    ErrorInfo(reason="CALLER_UNKNOWN", domain=ERROR_DOMAIN),
)
"""A certificate that is trusted and says another name than those that may call (DESIGN 5)."""
