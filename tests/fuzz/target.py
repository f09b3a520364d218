"""What the fuzzer calls: one input is one call, from its bytes to its answer's, without the socket.

The first byte says which call (the numbers are the order of CALLS, by name), the rest is the request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar, cast

import grpc
from google.protobuf.message import Message

from slotlease.desk.operation import Operation
from slotlease.wire import grpc_v0, grpc_v2
from slotlease.wire.admission import Admission
from slotlease.wire.bridge import AskDesk
from slotlease.wire.interceptor import Handler
from tests.proofs.ledger_file import scratch_folder
from tests.support import Shop, open_shop, secrets
from tests.wire.permitted import assert_answer_is_one, assert_code_is_permitted
from tests.wire.whole_requests import CALLS, Call, whole_requests

AnswerT = TypeVar("AnswerT")

NAMES: Final = sorted(CALLS)


def input_for(call: str, payload: bytes) -> bytes:
    return bytes([NAMES.index(call)]) + payload


def call_of(data: bytes) -> Call:
    return CALLS[NAMES[data[0] % len(NAMES)]]


class Target:
    """A shop behind the handlers of both versions. What one input does to the ledger, the next one finds."""

    def __init__(self, shop: Shop) -> None:
        self.seeds: dict[str, Message] = whole_requests(shop)
        self._shop = shop
        made_secrets = secrets()
        ask = cast("AskDesk", self._ask)
        key, admission = shop.store.fingerprint_key, Admission(1)
        self._handlers: dict[str, Handler] = {
            **grpc_v2.handlers(ask, new_secret=lambda: next(made_secrets), report=shop.report, admission=admission),
            **grpc_v0.handlers(
                ask,
                fingerprint_key=key,
                new_secret=lambda: next(made_secrets),
                report=shop.report,
                admission=admission,
            ),
        }

    def run(self, data: bytes) -> grpc.StatusCode:
        """How the call ended. Raises AssertionError for anything but an answer or a code that may be."""
        if not data:
            return grpc.StatusCode.OK
        call = call_of(data)
        try:
            answer = _now(self._handlers[f"/{call.service}/{call.method}"](data[1:], cast("Any", _Context())))
        except _Aborted as aborted:
            assert_code_is_permitted(call, aborted.code)
            return aborted.code
        finally:
            assert self._shop.incidents == []
        assert_answer_is_one(call, answer)
        return grpc.StatusCode.OK

    async def _ask(self, operation: Operation[AnswerT], deadline_s: float | None) -> AnswerT:  # noqa: ARG002 - AskDesk's
        return self._shop.ask(operation)


@contextmanager
def open_target() -> Iterator[Target]:
    with scratch_folder() as folder:
        shop = open_shop(folder)
        yield Target(shop)
        shop.store.close()


class _Aborted(Exception):
    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__(code)
        self.code = code


class _Context:
    """What a handler needs of a server library's context."""

    def time_remaining(self) -> None:
        return None

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: object = ()) -> NoReturn:
        assert isinstance(details, str)
        assert trailing_metadata is not None
        raise _Aborted(code)


def _now(awaitable: Awaitable[bytes]) -> bytes:
    """The result of something that waits for nothing: no event loop is needed, and it would take most of the time."""
    try:
        awaitable.__await__().send(None)
    except StopIteration as done:
        return cast("bytes", done.value)
    raise AssertionError("a handler waited for something")
