"""INV-32: what a request says is in no log line, on no page, in no error's details and in no trace.

Every text of every request of both versions is a canary in turn, in every way that a request can go wrong, over real
sockets, with the log at debug. An answer that is OK may echo its own request; nothing else may.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
import structlog
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from slotlease.telemetry import reporter, set_up_logs
from slotlease.telemetry.metrics import Metrics
from slotlease.telemetry.metrics_page import metrics_page
from slotlease.wire.limits import LENGTH_MAX
from slotlease.wire.proto.v3 import booking_service_pb2 as rpc_v3
from tests.rest import asking_v3
from tests.rest.serving import RestClient, serving_rest
from tests.support import Shop, open_shop
from tests.telemetry.loud import COMMITS, FAULTS, LoudStore
from tests.telemetry.reading import page, value_of
from tests.telemetry.spans import traces_to
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.conftest import Served, serving
from tests.wire.whole_requests import CALLS, Part, fill, name_of, parts, put, slot_of, whole_requests

CANARY = "kanarie"
TEXTS = [(call, part) for call in CALLS for part in parts(call) if part.is_text]


REQUESTS_V3 = (
    "CheckAvailability",
    "BatchAvailabilityLookup",
    "CreateLease",
    "CreateBooking",
    "UpdateBooking",
    "GetBookingStatus",
    "ListBookings",
    "SetMarketingPreference",
)


def by_path(case: tuple[str, Part]) -> str:
    return f"{case[0]}:{case[1].path}"


@dataclass
class Watched:
    """A served shop and all that can be heard of it. `details` is what callers were told whose call did not end OK."""

    served: Served
    store: LoudStore
    metrics: Metrics
    address: str
    whole: dict[str, Message]
    log: io.StringIO
    spans: InMemorySpanExporter
    rest: RestClient
    details: list[str] = field(default_factory=list)

    def send(self, call: str, payload: bytes, metadata: tuple[tuple[str, str], ...] = ()) -> grpc.StatusCode:
        try:
            self.served.call(CALLS[call].method, payload, service=CALLS[call].service, metadata=metadata)
        except grpc.RpcError as error:
            return self.note(cast("grpc.Call", error))
        return grpc.StatusCode.OK

    def send_v3(self, method: str, body: bytes) -> int:
        answer = self.rest.send(method, body)
        if answer.status_code != 200:
            self.details += [answer.text, str(answer.headers)]
        return answer.status_code

    def note(self, ended: grpc.Call) -> grpc.StatusCode:
        self.details.append(ended.details() or "")
        self.details += [f"{key} {value!r}" for key, value in ended.trailing_metadata() or ()]
        return ended.code()

    def spoilt(self, call: str, *texts: tuple[str, str]) -> Message:
        message = type(self.whole[call])()
        message.CopyFrom(self.whole[call])
        for path, text in texts:
            put(message, path, text)
        return message

    def told(self) -> dict[str, str]:
        """Everything but the answers that were OK."""
        return {"log": self.log.getvalue(), "details": "\n".join(self.details), "page": page(self.address)} | {
            "trace": "\n".join(span.to_json(indent=None) for span in self.spans.get_finished_spans())
        }

    def assert_silent(self) -> None:
        """Says where it was heard, and by which line."""
        told = self.told()
        self.details.clear()
        self.spans.clear()
        heard = [(where, line) for where, text in told.items() for line in text.splitlines() if CANARY in line]
        assert heard == []


@contextmanager
def watched_shop(folder: Path) -> Iterator[Watched]:
    log, spans = io.StringIO(), InMemorySpanExporter()
    metrics = Metrics(traces_to(spans))
    set_up_logs("json", "debug", log)
    incidents = iter(range(1_000_000))
    report = reporter(lambda: f"incident-{next(incidents)}", metrics.incidents.inc)
    shop: Shop = open_shop(folder)
    store = LoudStore(shop.store)
    whole = whole_requests(shop)
    try:
        with (
            serving(shop, store=store.of(), metrics=metrics, log_incident=report, reflection=True) as served,
            serving_rest(served, metrics=metrics, report=report) as rest,
            metrics_page(metrics, "127.0.0.1", 0) as port,
        ):
            yield Watched(served, store, metrics, f"127.0.0.1:{port}", whole, log, spans, rest)
    finally:
        shop.store.close()
        structlog.reset_defaults()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched_shop(tmp_path_factory.mktemp("ledger")) as watched:
        yield watched


@pytest.fixture(autouse=True)
def _nothing_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert CANARY not in "".join(capfd.readouterr())


@pytest.mark.parametrize("case", TEXTS, ids=by_path)
def test_no_text_of_a_request_is_heard_of_whatever_becomes_of_it(watched: Watched, case: tuple[str, Part]) -> None:
    call, part = case
    watched.store.fault = ""
    too_long = CANARY * (LENGTH_MAX.get(name_of(part.path), 100) // len(CANARY) + 1)
    for text in (CANARY, too_long, CANARY + "\x07"):
        whole = watched.spoilt(call, (part.path, text)).SerializeToString()
        watched.send(call, whole)
        watched.send(call, whole[:-1])
    invalid_utf8 = watched.spoilt(call, (part.path, CANARY + "~~")).SerializeToString().replace(b"~~", b"\xff\xfe")
    assert b"\xff\xfe" in invalid_utf8
    assert watched.send(call, invalid_utf8) is grpc.StatusCode.INVALID_ARGUMENT
    watched.assert_silent()


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_fails_and_says_all_it_knows_nothing_is_heard_of_it(watched: Watched, fault: str) -> None:
    """The exceptions do hold the canary: what is asserted here is asserted of something."""
    for number, call in enumerate(CALLS):
        watched.store.fault, watched.store.told = fault, []
        texts = [part.path for part in parts(call) if part.is_text and _is_free(part)]
        message = watched.spoilt(call, *((path, f"{CANARY}{number}{fault[-3:]}"[:40]) for path in texts))
        if call == "v2.CreateBooking":
            message.ClearField("lease_ref")  # it was consumed long ago, and that would be the answer
        code = watched.send(call, message.SerializeToString())
        if call in {"v2.CreateLease", "v2.CreateBooking"}:
            assert code in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE}
            assert CANARY in "".join(watched.store.told)
    watched.store.fault = ""
    watched.assert_silent()


def _is_free(part: Part) -> bool:
    """A text that a request may have as it likes, and still be taken as far as the store."""
    name = name_of(part.path)
    kept = ("merchant_id", "service_id", "lease_id", "booking_id", "staff_id", "room_id", "availability_tag", "paths")
    return name not in kept and not name.startswith("payment_option") and LENGTH_MAX.get(name, 0) >= 35


def texts_of(message: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where in a JSON request texts stand."""
    for key, value in message.items() if isinstance(message, dict) else enumerate(message):
        if isinstance(value, str):
            yield (*at, key)
        elif isinstance(value, dict | list):
            yield from texts_of(value, (*at, key))


def with_text(message: Any, at: tuple[str | int, ...], text: str) -> bytes:
    changed = deepcopy(message)
    reduce(lambda part, key: part[key], at[:-1], changed)[at[-1]] = text
    return json.dumps(changed).encode()


@pytest.mark.parametrize("name", REQUESTS_V3)
def test_no_text_of_a_request_of_version_3_is_heard_of(watched: Watched, name: str) -> None:
    """Each text and each enum's name in turn; then no JSON, a field that there is not, and a path that there is not."""
    message = cast("type[Message]", getattr(rpc_v3, f"{name}Request"))()
    fill(message)
    for one in message.DESCRIPTOR.fields:
        if one.is_repeated and one.message_type is not None:
            fill(getattr(message, one.name).add())
    request = MessageToDict(message, preserving_proto_field_name=True)
    places = list(texts_of(request))
    assert places
    for fault in ("", *COMMITS):
        watched.store.fault = fault
        for place in places:
            for text in (CANARY, CANARY * 700, CANARY + "\x07"):
                watched.send_v3(name, with_text(request, place, text))
    watched.store.fault = ""
    for body in (b'{"' + CANARY.encode(), f'{{"{CANARY}": "{CANARY}"}}'.encode(), f'"{CANARY}"'.encode(), b"\xff" * 9):
        assert watched.send_v3(name, body) == 400
    assert watched.send_v3(CANARY, b"{}") == 404
    watched.assert_silent()


def test_a_booking_of_version_3_that_succeeds_or_fails_is_not_heard_of(watched: Watched) -> None:
    user = {"given_name": CANARY, "family_name": CANARY, "telephone": CANARY, "email": CANARY}
    for fault, code in (("", 200), *((fault, 0) for fault in FAULTS)):
        watched.store.fault, watched.store.told = fault, []
        request = asking_v3.booking(slot_of("v2"), f"{CANARY}{fault}") | {
            "user_information": user | {"user_id": f"{CANARY} of {fault}"},
            "additional_request": CANARY,
        }
        found = watched.send_v3("CreateBooking", json.dumps(request).encode())
        assert found == code if code else found in {500, 503}
        assert not fault or CANARY in "".join(watched.store.told)
    watched.store.fault = ""
    watched.assert_silent()


def test_what_is_no_request_at_all_is_not_heard_of(watched: Watched) -> None:
    for call in CALLS:
        for payload in (CANARY.encode() * 40_000, CANARY.encode() * 200_000, b"\x0a" + CANARY.encode()):
            assert watched.send(call, payload) is not grpc.StatusCode.OK
        watched.send(call, b"", metadata=((CANARY, CANARY), ("user-agent", CANARY), ("grpc-timeout", CANARY)))
    channel = watched.served.channel
    for path in (f"/{CANARY}/{CANARY}", f"/{CALLS['v2.CreateLease'].service}/{CANARY}"):
        missing: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        with pytest.raises(grpc.RpcError) as raised:
            missing(CANARY.encode(), timeout=CALL_TIMEOUT_S)
        assert watched.note(cast("grpc.Call", raised.value)) is grpc.StatusCode.UNIMPLEMENTED
    watched.assert_silent()


def test_the_log_told_of_each_kind_of_ending_so_it_was_listened_to(watched: Watched) -> None:
    lines = [json.loads(line) for line in watched.log.getvalue().splitlines()]
    codes = {line.get("code") for line in lines if line["event"] == "call"}
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL", "UNAVAILABLE"} <= codes
    assert {line["event"] for line in lines} >= {"call", "incident"}
    watched.send("v2.CreateLease", watched.spoilt("v2.CreateLease").SerializeToString())
    names = {span.name for span in watched.spans.get_finished_spans()}
    assert names >= {"batch writes", f"{CALLS['v2.CreateLease'].service}/CreateLease"}
    incidents = value_of(watched.metrics, "slotlease_incidents_total")
    assert incidents == sum(line["event"] == "incident" for line in lines) > 0
