"""Who gets through TLS to a handler, and what a running server does when its certificate changes (S-1, S-2)."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2

from slotlease.config import GOOGLE_CLIENT
from slotlease.wire import grpc_v2
from slotlease.wire.callers import Callers
from slotlease.wire.proto.v2.booking_service_pb2_grpc import BookingServiceStub
from tests.certificates import Files, made, shown
from tests.support import Offered, Shop
from tests.wire import asking
from tests.wire.asking import Ended
from tests.wire.client import CALL_TIMEOUT_S, Client
from tests.wire.conftest import Served, Tls, serving
from tests.wire.whole_requests import CALLS

SPIFFE = "spiffe://shop.example/caller"


@pytest.fixture(scope="module")
def library() -> str:
    """The other one speaks plaintext only."""
    return "grpcio"


@dataclass(frozen=True)
class Guarded:
    """A server over TLS, its files, and the authority that issued what it shows."""

    served: Served
    files: Files
    authority: dict[str, bytes]

    def call(self, own: dict[str, bytes] | None, *, trusting: dict[str, bytes] | None = None) -> int:
        """What a caller who shows `own` gets on a connection of its own: the number of free spots."""
        with _channel(self.served.address, shown(own, trusting=trusting or self.authority)) as channel:
            client = Client(BookingServiceStub(channel), self.served.shop, "m1")
            return client.count_available(Offered().asked())

    def refused(self, own: dict[str, bytes] | None, *, trusting: dict[str, bytes] | None = None) -> Ended:
        return asking.ended(lambda: self.call(own, trusting=trusting))

    def let_also(self, other: dict[str, bytes]) -> None:
        """From now on the server trusts the other one's authority too."""
        self.files.put({"ca.pem": self.authority["ca.pem"] + other["ca.pem"]})

    def certificate(self) -> x509.Certificate:
        """The one that the server shows to a new connection."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with _tls(self, context) as connection:
            der = connection.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der)


def _channel(address: str, credentials: grpc.ChannelCredentials) -> grpc.Channel:
    # Channels with equal options share connections, and one test's caller is not another's.
    return grpc.secure_channel(address, credentials, options=[("grpc.use_local_subchannel_pool", 1)])


@contextmanager
def _tls(guarded: Guarded, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """A caller with a good certificate, and whatever else its context says."""
    context.load_cert_chain(guarded.files.folder / "client.pem", guarded.files.folder / "client.key")
    host, _, port = guarded.served.address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=CALL_TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        yield connection


@pytest.fixture
def guarded(shop: Shop, tmp_path: Path) -> Iterator[Guarded]:
    """Mutual TLS: Google's name may call, and one URI."""
    authority = made()
    files = Files(tmp_path)
    files.put(authority)
    callers = Callers((GOOGLE_CLIENT, SPIFFE))
    with serving(shop, tls=Tls(files.open(), callers, shown(authority, trusting=authority))) as served:
        yield Guarded(served, files, authority)
        assert served.incidents == []


# --- who gets in -------------------------------------------------------------------------------------------------


def test_a_caller_with_the_right_name_from_a_trusted_authority_is_answered(guarded: Guarded) -> None:
    assert guarded.call(guarded.authority) == 1


def test_a_caller_without_a_certificate_does_not_get_past_the_handshake(guarded: Guarded) -> None:
    assert guarded.refused(None).code is grpc.StatusCode.UNAVAILABLE


def test_a_caller_from_another_authority_does_not_get_past_the_handshake(guarded: Guarded) -> None:
    assert guarded.refused(made()).code is grpc.StatusCode.UNAVAILABLE


def test_a_caller_whose_certificate_has_ended_does_not_get_past_the_handshake(guarded: Guarded) -> None:
    ended = made(begun_days_ago=3, days=2)
    guarded.let_also(ended)
    assert guarded.refused(ended).code is grpc.StatusCode.UNAVAILABLE


def test_a_caller_who_speaks_plaintext_is_not_answered(guarded: Guarded) -> None:
    with grpc.insecure_channel(guarded.served.address) as channel:
        client = Client(BookingServiceStub(channel), guarded.served.shop, "m1")
        ended = asking.ended(lambda: client.count_available(Offered().asked()))
    assert ended.code is grpc.StatusCode.UNAVAILABLE


def test_a_trusted_certificate_with_another_name_is_permission_denied_and_says_why(guarded: Guarded) -> None:
    other = made("somebody.example")
    guarded.let_also(other)
    ended = guarded.refused(other)
    assert (ended.code, ended.info.reason) == (grpc.StatusCode.PERMISSION_DENIED, "CALLER_UNKNOWN")
    assert ended.text == (
        "no name in the client certificate is one that may call here; ask whoever runs this server to add it"
    )


def test_no_call_of_either_version_is_answered_to_another_name(guarded: Guarded) -> None:
    other = made("somebody.example")
    guarded.let_also(other)
    with _channel(guarded.served.address, shown(other, trusting=guarded.authority)) as channel:
        codes = {}
        for name, one in CALLS.items():
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{one.service}/{one.method}")
            # Bytes that are no request: who asks is judged before what is asked.
            codes[name] = asking.ended(partial(call, b"\xff", timeout=CALL_TIMEOUT_S)).code
    assert codes == dict.fromkeys(CALLS, grpc.StatusCode.PERMISSION_DENIED)


@pytest.mark.parametrize(
    ("name", "let_in"),
    [
        (GOOGLE_CLIENT.upper(), True),
        (SPIFFE, True),
        (SPIFFE.upper(), False),
        (f"evil.{GOOGLE_CLIENT}", False),
        (f"{GOOGLE_CLIENT}.evil.example", False),
        ("*.businesslink-3.net", False),
        (f"https://{GOOGLE_CLIENT}", False),
    ],
)
def test_a_name_is_known_as_a_whole_or_not_at_all(guarded: Guarded, name: str, let_in: bool) -> None:
    caller = made(name)
    guarded.let_also(caller)
    if let_in:
        assert guarded.call(caller) == 1
    else:
        assert guarded.refused(caller).code is grpc.StatusCode.PERMISSION_DENIED


def test_a_common_name_is_nobodys_name(guarded: Guarded) -> None:
    callers = Callers(("client",))
    assert not callers.knows(_Context({"x509_common_name": [b"client"], "peer_dns": [b"other"]}))  # type: ignore[arg-type]
    assert not callers.knows(_Context({}))  # type: ignore[arg-type]
    assert guarded.call(guarded.authority) == 1


@dataclass
class _Context:
    facts: dict[str, list[bytes]]

    def auth_context(self) -> dict[str, list[bytes]]:
        return self.facts


def test_without_client_roots_a_caller_without_a_certificate_is_answered(shop: Shop, tmp_path: Path) -> None:
    authority = made()
    files = Files(tmp_path, mutual=False)
    files.put(authority)
    with serving(shop, tls=Tls(files.open(), None, shown(None, trusting=authority))) as served:
        assert served.client().count_available(Offered().asked()) == 1


def test_health_answers_whoever_got_past_the_handshake(guarded: Guarded) -> None:
    other = made("balancer.example")
    guarded.let_also(other)
    with _channel(guarded.served.address, shown(other, trusting=guarded.authority)) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = check(health_pb2.HealthCheckRequest(service=grpc_v2.SERVICE), timeout=CALL_TIMEOUT_S)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


# --- what is spoken ----------------------------------------------------------------------------------------------

CLOSED = "UNEXPECTED_EOF_WHILE_READING"
"""The server hangs up. A caller whose own library refused to try would find another reason."""

OLD = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]
# RSA without forward secrecy, CBC with SHA-1: what scanners of TLS complain of first.
WEAK = "AES128-SHA:AES256-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"


def offer(version: ssl.TLSVersion, ciphers: str = "ALL") -> ssl.SSLContext:
    """A caller who speaks this version only, and whose own library does not mind."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_from_1_2_on_is_spoken(guarded: Guarded, version: ssl.TLSVersion) -> None:
    with _tls(guarded, offer(version)) as connection:
        assert connection.version() == version.name.replace("_", ".")


@pytest.mark.parametrize("version", OLD)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_older_tls_is_refused(guarded: Guarded, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError, match=CLOSED), _tls(guarded, offer(version)):
        pass


def test_weak_ciphers_are_refused(guarded: Guarded) -> None:
    context = offer(ssl.TLSVersion.TLSv1_2, WEAK)
    with pytest.raises(ssl.SSLError, match=CLOSED), _tls(guarded, context):
        pass


# --- when the files change ---------------------------------------------------------------------------------------


def test_a_new_certificate_is_shown_to_the_next_connection_and_the_standing_ones_go_on(guarded: Guarded) -> None:
    slot = Offered().asked()
    client = guarded.served.client()
    assert client.count_available(slot) == 1
    before = guarded.certificate()
    renewed = made()
    guarded.files.put(renewed)
    after = guarded.certificate()
    assert after == x509.load_pem_x509_certificate(renewed["server.pem"]) != before
    assert client.count_available(slot) == 1, "on the connection that it has"
    assert guarded.call(renewed, trusting=renewed) == 1
    assert guarded.refused(guarded.authority, trusting=renewed).code is grpc.StatusCode.UNAVAILABLE, "other roots now"


def test_a_bad_new_certificate_leaves_the_old_one_and_is_told(guarded: Guarded) -> None:
    before = guarded.certificate()
    guarded.files.put({"server.pem": made()["server.pem"]})
    assert guarded.certificate() == before
    assert guarded.call(guarded.authority) == 1
    assert [bool(refused) for _, refused in guarded.files.told] == [False, True]
    renewed = made()
    guarded.files.put(renewed)
    assert guarded.certificate() != before
    assert guarded.call(renewed, trusting=renewed) == 1
    assert [bool(refused) for _, refused in guarded.files.told] == [False, True, False]


def test_connections_at_once_while_the_certificate_changes_are_all_answered(guarded: Guarded) -> None:
    renewed = [made(), made()]
    trusting = {"ca.pem": b"".join(one["ca.pem"] for one in (guarded.authority, *renewed))}
    answers: list[int] = []

    def connect() -> None:
        answers.extend(guarded.call(guarded.authority, trusting=trusting) for _ in range(5))

    callers = [threading.Thread(target=connect) for _ in range(4)]
    for caller in callers:
        caller.start()
    for one in renewed:
        guarded.files.put({name: one[name] for name in ("server.pem", "server.key")})
    for caller in callers:
        caller.join()
    assert answers == [1] * 20
