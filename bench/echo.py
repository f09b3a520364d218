"""A server that does nothing but read a CreateLeaseRequest and write a CreateLeaseResponse: what a transport costs.

`python -m bench.echo TRANSPORT` prints where it listens, and ends when its input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

import grpc.aio
import uvloop
from starlette.types import Receive, Scope, Send

from bench.requests import ECHO_PATH
from slotlease.desk.desk import Desk
from slotlease.desk.lane import Ticket
from slotlease.transport import GrpcTransport
from slotlease.transport_http import HttpTransport
from slotlease.transport_native import NativeTransport
from slotlease.wire.proto.v2 import booking_service_pb2 as rpc

LEASE_ID = "l1-100000-" + "0" * 32


class NobodyAsked:
    """In a desk's place: an echo asks for nothing."""

    def work(self, tickets: list[Ticket]) -> None:
        assert tickets == []  # noqa: S101 - see above


async def echo(payload: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    request = rpc.CreateLeaseRequest.FromString(payload)
    answer = rpc.CreateLeaseResponse()
    answer.lease.CopyFrom(request.lease)
    answer.lease.lease_id = LEASE_ID
    return answer.SerializeToString()


async def echo_http(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    answer = json.loads(body)
    answer["lease"]["lease_id"] = LEASE_ID
    content = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def serve(transport: str) -> None:
    if transport == "http":
        http = HttpTransport()
        port = http.bind("127.0.0.1:0")
        await http.start(echo_http)
    elif transport == "native":
        native = NativeTransport({ECHO_PATH: echo}, cast("Desk", NobodyAsked()), str)
        port = native.bind("127.0.0.1:0")
        await native.start()
    else:
        served = GrpcTransport({ECHO_PATH: echo})
        port = served.bind("127.0.0.1:0")
        await served.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
