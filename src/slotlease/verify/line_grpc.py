"""A gRPC connection: takes a request's bytes, gives what came."""

from __future__ import annotations

import time
from typing import Any, Final

import grpc

from slotlease.verify.answer import OK, Reply
from slotlease.verify.shop import Dialing

_OPTIONS: Final = (
    # A connection of its own for each line: racers must not share one.
    ("grpc.use_local_subchannel_pool", 1),
    # Only cases repeat a request; a library that does it unseen would hide what they look for.
    ("grpc.enable_retries", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)
_AUTHORITY: Final = "grpc.default_authority"
_TARGET_NAME: Final = "grpc.ssl_target_name_override"


class GrpcLine:
    def __init__(self, dialing: Dialing) -> None:
        self._timeout_s = dialing.timeout_s
        self._channel = _channel(dialing)
        self._calls: dict[str, Any] = {}

    def send(self, path: str, payload: bytes) -> Reply:
        """Never raises for what the server does. A connection that cannot be made, or ends, is UNAVAILABLE."""
        if path not in self._calls:
            self._calls[path] = self._channel.unary_unary(path)
        began_s = time.perf_counter()
        try:
            answered: bytes = self._calls[path](payload, timeout=self._timeout_s)
        except grpc.RpcError as error:
            took_s = time.perf_counter() - began_s
            return Reply(error.code().name, b"", error.details() or "", took_s)
        return Reply(OK, answered, "", time.perf_counter() - began_s)

    def close(self) -> None:
        self._channel.close()


def _channel(dialing: Dialing) -> grpc.Channel:
    target = dialing.via or dialing.address
    options: list[tuple[str, str | int]] = [*_OPTIONS]
    if dialing.via:
        options.append((_AUTHORITY, dialing.address))
    tls = dialing.tls
    if tls is None:
        return grpc.insecure_channel(target, options)
    name = tls.name or (dialing.address.rpartition(":")[0].strip("[]") if dialing.via else "")
    if name:
        options.append((_TARGET_NAME, name))
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(tls.roots, tls.key, tls.certificate), options)
