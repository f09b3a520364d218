"""The tampering layer of version 3: HTTP in front of HTTP, with the same faults."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from slotlease.wire.outcome import HTTP_CODES
from slotlease.wire.proto.v3 import booking_service_pb2 as service_pb2
from tests.verify.tampering.fault import Refused
from tests.verify.tampering.layer import ANSWER_WITHIN_S, Layer

_STATUSES: Final[Mapping[int, grpc.StatusCode]] = {code: status for status, code in HTTP_CODES.items()}


class _HttpCarrier:
    """It has the password."""

    def __init__(self, address: str, authorization: str) -> None:
        self._address = address
        self._headers = {"Content-Type": "application/json", "Authorization": authorization}

    def send(self, path: str, raw: bytes) -> bytes:
        connection = http.client.HTTPConnection(self._address, timeout=ANSWER_WITHIN_S)
        try:
            verb = "GET" if path.endswith("/HealthCheck") else "POST"
            connection.request(verb, path, raw, self._headers)
            response = connection.getresponse()
            told = response.read()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise Refused(_STATUSES[response.status], told.decode())
        return told

    def kind(self, path: str, ending: str) -> type[Message] | None:
        kind: type[Message] | None = getattr(service_pb2, f"{path.rpartition('/')[2]}{ending}", None)
        return kind

    def path(self, request: Message) -> str:
        return f"/v3/{type(request).__name__.removesuffix('Request')}"

    def read(self, kind: type[Message] | None, raw: bytes) -> Message | None:
        try:
            return None if kind is None else json_format.Parse(raw, kind())
        except (json_format.ParseError, ValueError):
            return None

    def write(self, message: Message) -> bytes:
        return json.dumps(json_format.MessageToDict(message, preserving_proto_field_name=True)).encode()


def _front(layer: Layer, authorization: str) -> type[BaseHTTPRequestHandler]:
    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, raw: bytes) -> None:
            code, told = 200, b""
            try:
                if self.headers["Authorization"] == authorization or layer.spoils("Password"):
                    told = layer.answer(self.path, raw, str(self.client_address))
                else:
                    code = 401
            except Refused as error:
                code, told = HTTP_CODES.get(error.code, 500), error.text.encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: Any) -> None:
            pass

    return Front


@contextmanager
def tampering_http(address: str, authorization: str) -> Iterator[Layer]:
    """In front of version 3's server at `address`, on a free port of the loopback."""
    layer = Layer(_HttpCarrier(address, authorization))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _front(layer, authorization))
    server.daemon_threads = True
    layer.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield layer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
