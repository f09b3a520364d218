"""Who gets in, whom the caller meets, and whether the server says that it is well."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from slotlease.verify.answer import NOT_FOUND, OK, PERMISSION_DENIED, UNAUTHENTICATED, UNAVAILABLE, Answer
from slotlease.verify.asking import Asking
from slotlease.verify.caller import CHECK, CREATE_LEASE, HEALTH, LOOK_UP, Hostile
from slotlease.verify.case import case
from slotlease.verify.foreign import foreign_certificate
from slotlease.verify.shop import Dialing, Tls, Version
from slotlease.verify.trial import NotTried, Trial, said

REFUSED: Final = (UNAVAILABLE, PERMISSION_DENIED, UNAUTHENTICATED)
"""The handshake fails, so there is no connection; or a call is answered that its caller may not call."""

FIRST_CALL_S: Final = 1.5

_SERVING = "SERVING"
_AUTH = "Implement the gRPC server: authentication"
_BASIC = "Configure the booking server: basic authentication"
_CLIENT_HINT = "Ask for a client certificate and require it; trust the issuers you mean, and check the name in it."


@case(
    "connection.tls",
    "the connection is encrypted, and the server is who it says",
    rule="The server shows its full chain, to a root that is accepted, for the name that is called.",
    source=f"{_AUTH}; Google's test list: server certificate valid",
    hint="Serve the intermediate certificates too; `openssl s_client -showcerts` shows what is served.",
)
def _tls(t: Trial) -> None:
    _need_tls(t)
    with t.connected() as caller:
        t.expect(caller.health(caller.health_names[0]), OK)


@case(
    "connection.tls.plaintext",
    "plaintext is not answered",
    rule="The endpoint is secured by TLS: a call without it gets no answer.",
    source="Google's test list: encrypted endpoint",
    hint="One port serves both, for convenience.",
)
def _plaintext(t: Trial) -> None:
    _need_tls(t)
    _is_refused(t, replace(t.around.dialing, tls=None))


@case(
    "connection.client.none",
    "a caller without a client certificate is refused",
    rule="Versions 0 and 2 are for Google's client alone, which shows a certificate.",
    source=f"{_AUTH}; Google's test list: client certificates",
    hint=_CLIENT_HINT,
)
def _client_none(t: Trial) -> None:
    tls = _need_client_certificates(t)
    _is_refused(t, replace(t.around.dialing, tls=replace(tls, certificate=None, key=None)))


@case(
    "connection.client.foreign",
    "a caller with a certificate of another issuer is refused",
    rule="A certificate that says Google's name, and that no trusted authority issued, does not get in.",
    source=f"{_AUTH}; Google's test list: some other client certificate",
    hint=_CLIENT_HINT,
)
def _client_foreign(t: Trial) -> None:
    tls = _need_client_certificates(t)
    certificate, key = foreign_certificate(t.around.now_us())
    _is_refused(t, replace(t.around.dialing, tls=replace(tls, certificate=certificate, key=key)))


@case(
    "connection.client.wrong-name",
    "a caller with another name is refused",
    rule="A certificate of a trusted issuer, with another name than Google's, does not get in.",
    source=f"{_AUTH}: name of Google's client",
    hint="Every client of a public authority gets in unless the name is checked.",
)
def _client_wrong_name(t: Trial) -> None:
    tls = _need_client_certificates(t)
    if t.around.options.wrong_name is None:
        why = "no certificate with a wrong name was given (--tls-wrong-name-certificate, --tls-wrong-name-key)"
        raise NotTried(why, by_choice=True)
    certificate, key = t.around.options.wrong_name
    _is_refused(t, replace(t.around.dialing, tls=replace(tls, certificate=certificate, key=key)))


@case(
    "connection.password.none",
    "a request without a password is refused",
    rule="Every request carries HTTP basic authentication; without it, 401.",
    source=_BASIC,
    hint="The check stands before some routes and not before others.",
)
def _password_none(t: Trial) -> None:
    _need_password(t)
    _is_unauthenticated(t, replace(t.around.dialing, user="", password=""))


@case(
    "connection.password.wrong",
    "a wrong password is refused",
    rule="Another password than the one in the Partner Portal is answered 401.",
    source=_BASIC,
    hint="Only that there is a header is checked, or only the user's name.",
)
def _password_wrong(t: Trial) -> None:
    _need_password(t)
    _is_unauthenticated(t, replace(t.around.dialing, password=t.names.token()))


@case(
    "connection.health",
    "health answers by the booking service's name",
    rule="Health says SERVING for the full name of the booking service (version 3: GET HealthCheck, 200).",
    source=f"{_AUTH}: health checking",
    hint="The health service is not registered, or the status of this name was never set.",
    needs=(HEALTH,),
)
def _health(t: Trial) -> None:
    answer = t.caller.health(t.caller.health_names[0])
    t.equal("status", _SERVING, t.value(answer), answer)


@case(
    "connection.health.whole",
    "health answers for the whole server",
    rule="The empty name stands for the whole server. Google's own sample answers it with NOT_FOUND.",
    source="gRPC health checking protocol (Google's pages leave it open)",
    hint="Set the status of the empty name too: load balancers ask for it.",
    needs=(HEALTH,),
    required=False,
)
def _health_whole(t: Trial) -> None:
    if "" not in t.caller.health_names[1:]:
        raise NotTried("this version's health has one name only", by_choice=True)
    answer = t.caller.health("")
    t.equal("status", _SERVING, t.value(answer), answer)


@case(
    "connection.health.unknown",
    "health answers for a service that there is not",
    rule="A name that is not served is NOT_FOUND.",
    source="gRPC health checking protocol",
    hint="SERVING is answered whatever is asked: then it says nothing.",
    needs=(HEALTH,),
    required=False,
)
def _health_unknown(t: Trial) -> None:
    if len(t.caller.health_names) == 1:
        raise NotTried("this version's health has one name only", by_choice=True)
    t.expect(t.caller.health("slotlease.verify.NoSuchService"), NOT_FOUND)


@case(
    "connection.first-call",
    "the first call of a connection is quick",
    rule=f"A new connection and its first call take less than {FIRST_CALL_S:g} s: Google gives a lookup no longer.",
    source="Booking server ready: BatchAvailabilityLookup; Launch and monitor (first calls left open)",
    hint="Something is loaded at the first request, or names are looked up backwards.",
    required=False,
)
def _first_call(t: Trial) -> None:
    with t.connected() as caller:
        answer = _harmless(t, caller)
    t.note(f"{answer.took_s * 1000:.1f} ms")
    t.holds(answer.took_s < FIRST_CALL_S, f"less than {FIRST_CALL_S:g} s", f"{answer.took_s:.1f} s", answer)


def _need_tls(t: Trial) -> Tls:
    if t.around.dialing.tls is None:
        raise NotTried("the server was called in plaintext; Google calls with TLS", by_choice=True)
    return t.around.dialing.tls


def _need_client_certificates(t: Trial) -> Tls:
    if t.version is Version.V3:
        raise NotTried("version 3 knows callers by their password", by_choice=True)
    return _need_tls(t)


def _need_password(t: Trial) -> None:
    if t.version is not Version.V3:
        raise NotTried("versions 0 and 2 know callers by their certificate", by_choice=True)
    if not t.around.dialing.user:
        raise NotTried("no password was given (--user, --password)", by_choice=True)


def _is_refused(t: Trial, dialing: Dialing) -> None:
    with t.connected(dialing) as caller:
        answer = _harmless(t, caller)
    t.holds(answer.word in REFUSED, "no answer to whoever this is", said(answer), answer)


def _is_unauthenticated(t: Trial, dialing: Dialing) -> None:
    with t.connected(dialing) as caller:
        t.expect(_harmless(t, caller), UNAUTHENTICATED)


def _harmless(t: Trial, caller: Asking) -> Answer[object]:
    """A call that changes nothing, whoever makes it, and that is not health, which some answer to everybody."""
    slot = t.around.offers[0].slot
    if t.can(CHECK):
        return caller.check_availability(slot)
    if t.can(LOOK_UP):
        return caller.look_up(slot.merchant_id, [slot])
    answer = caller.send_hostile(Hostile.NOTHING, CREATE_LEASE, slot)
    return answer if answer is not None else caller.health(caller.health_names[0])
