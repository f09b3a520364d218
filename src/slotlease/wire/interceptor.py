"""What is the same for every call: its deadline, how it ended, how long that took, and the last net under it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import grpc
import grpc.aio

from slotlease.telemetry import Report
from slotlease.wire import outcome
from slotlease.wire.admission import Admission
from slotlease.wire.outcome import Ending
from slotlease.wire.record import Record

Rpc = Callable[[bytes, float | None], Awaitable[Ending]]
"""One call of one version, from the request's bytes and its deadline on the monotonic clock (None: none given)."""

Handler = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]


def intercept(record: Record, rpc: Rpc, report: Report, admission: Admission) -> Handler:
    """The handler that a server library calls. Whatever happens inside, the caller gets one of our own codes."""

    async def handle(payload: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        began_s = time.monotonic()
        # None where the caller set no deadline, whatever the library's own stubs say.
        left_s: float | None = context.time_remaining()
        if admission.callers is not None and not admission.callers.knows(context):
            # Before all else: whoever may not call learns not even how busy we are.
            ending = outcome.CALLER_UNKNOWN
        elif admission.enter():
            try:
                ending = await rpc(payload, None if left_s is None else began_s + left_s)
            except asyncio.CancelledError:
                record(Ending(grpc.StatusCode.CANCELLED), began_s)
                raise
            except Exception as error:  # noqa: BLE001 - the library's own net would tell the caller the exception's text
                ending = outcome.of_exception(error, report)
            finally:
                admission.leave()
        else:
            ending = outcome.UNAVAILABLE
        record(ending, began_s)
        if ending.status is not None:
            status = ending.status
            await context.abort(status.code, status.details, status.trailing_metadata)
        return ending.payload

    return handle
