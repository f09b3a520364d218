"""What is the same for every call: its deadline, how it ended, how long that took, and the last net under it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

import grpc
import grpc.aio
import structlog

from slotlease.telemetry import Report
from slotlease.wire import outcome
from slotlease.wire.admission import Admission
from slotlease.wire.outcome import Ending

Rpc = Callable[[bytes, float | None], Awaitable[Ending]]
"""One call of one version, from the request's bytes and its deadline on the monotonic clock (None: none given)."""

Handler = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]

_log = structlog.get_logger("slotlease.wire")

_LEVELS: Final = {
    grpc.StatusCode.UNAVAILABLE: logging.WARNING,
    grpc.StatusCode.DEADLINE_EXCEEDED: logging.WARNING,
    grpc.StatusCode.INTERNAL: logging.ERROR,
}


def intercept(method: str, rpc: Rpc, report: Report, admission: Admission) -> Handler:
    """The handler that a server library calls. Whatever happens inside, the caller gets one of our own codes."""

    async def handle(payload: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        began_s = time.monotonic()
        # None where the caller set no deadline, whatever the library's own stubs say.
        left_s: float | None = context.time_remaining()
        if admission.enter():
            try:
                ending = await rpc(payload, None if left_s is None else began_s + left_s)
            except asyncio.CancelledError:
                _record(method, Ending(grpc.StatusCode.CANCELLED), began_s)
                raise
            except Exception as error:  # noqa: BLE001 - the library's own net would tell the caller the exception's text
                ending = outcome.of_exception(error, report)
            finally:
                admission.leave()
        else:
            ending = outcome.UNAVAILABLE
        _record(method, ending, began_s)
        if ending.status is not None:
            status = ending.status
            await context.abort(status.code, status.details, status.trailing_metadata)
        return ending.payload

    return handle


def _record(method: str, ending: Ending, began_s: float) -> None:
    """One line for each call, and nothing in it that is a customer's."""
    _log.log(
        _LEVELS.get(ending.code, logging.INFO),
        "call",
        method=method,
        code=ending.code.name,
        cause=ending.cause,
        duration_ms=round((time.monotonic() - began_s) * 1000, 3),
    )
