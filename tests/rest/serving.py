"""Version 3 over a real socket, beside the versions over gRPC and on the same desk."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from slotlease.certificate import Certificate
from slotlease.telemetry import Report
from slotlease.telemetry.metrics import Metrics
from slotlease.transport_http import HttpLimits, HttpTransport
from slotlease.wire import rest_v3
from slotlease.wire.bridge import AskDesk
from slotlease.wire.doorkeeper import Doorkeeper
from tests.support import secrets
from tests.wire.client import CALL_TIMEOUT_S
from tests.wire.conftest import Served

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RestClient:
    http: httpx.Client
    address: str

    def send(self, method: str, body: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.http.post(f"/v3/{method}", content=body, headers=sent)

    def ask(self, method: str, request: Json) -> Json:
        """The answer to a request that must be answered."""
        response = self.send(method, json.dumps(request).encode())
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        answer: Json = response.json()
        return answer

    def error(self, method: str, request: Json) -> tuple[int, Json]:
        """The code and the error of a request that must not be answered."""
        response = self.send(method, json.dumps(request).encode())
        assert response.status_code != 200, response.text
        error: Json = response.json()["error"]
        assert error["code"] == response.status_code
        return response.status_code, error

    def fields(self, method: str, request: Json) -> list[str]:
        """The fields that are wrong in a request that must be called malformed."""
        code, error = self.error(method, request)
        assert (code, error["status"]) == (400, "INVALID_ARGUMENT")
        return [one["field"] for detail in error["details"] for one in detail.get("fieldViolations", [])]


@contextmanager
def serving_rest(  # noqa: PLR0913 - a test names the one that it is about
    served: Served,
    *,
    leases: bool = True,
    prefix: str = "",
    limits: HttpLimits | None = None,
    is_serving: bool = True,
    metrics: Metrics | None = None,
    report: Report | None = None,
    clock_s: Callable[[], float] = time.monotonic,
    certificate: Certificate | None = None,
    trusting: ssl.SSLContext | bool = True,
    open_without: bool = True,
    open_to_forwarded: bool = False,
) -> Iterator[RestClient]:
    made_secrets = secrets()

    async def start() -> tuple[HttpTransport, int]:
        application = rest_v3.application(
            AskDesk(served.desk),
            # Apart from the ids that the other versions make.
            new_secret=lambda: next(made_secrets)[::-1],
            report=report or served.shop.report,
            metrics=metrics,
            admission=served.admission,
            is_serving=lambda: is_serving,
            doorkeeper=Doorkeeper(
                served.shop.store,
                served.shop.clock,
                clock_s,
                open_without=open_without,
                open_to_forwarded=open_to_forwarded,
            ),
            leases=leases,
            prefix=prefix,
        )
        transport = HttpTransport(limits, certificate)
        port = transport.bind("127.0.0.1:0")
        await transport.start(application)
        return transport, port

    transport, port = asyncio.run_coroutine_threadsafe(start(), served.loop).result(CALL_TIMEOUT_S)
    address = f"127.0.0.1:{port}"
    scheme = "http" if certificate is None else "https"
    try:
        with httpx.Client(base_url=f"{scheme}://{address}{prefix}", verify=trusting, timeout=CALL_TIMEOUT_S) as http:
            yield RestClient(http, address)
    finally:
        asyncio.run_coroutine_threadsafe(transport.stop(0.5), served.loop).result(CALL_TIMEOUT_S)
