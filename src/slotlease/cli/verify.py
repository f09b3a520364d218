"""`slotlease verify`: proves a booking server right, anybody's, before Google does."""

from __future__ import annotations

import ipaddress
import json
import secrets
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slotlease.cli.ledger import CommandFailed

if TYPE_CHECKING:
    from slotlease.verify.caller import Caller
    from slotlease.verify.shop import Dialing, Tls, Version
    from slotlease.verify.trial import Surroundings

_TLS = "TLS"
_WHAT = "What to try"
_OUT = "Reports"


class Api(StrEnum):
    """verify.shop.Version, which takes long to import: see cli/__init__.py."""

    V0 = "v0"
    V2 = "v2"
    V3 = "v3"


def _file(flag: str, meaning: str, panel: str = _TLS) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        flag, metavar="PATH", help=meaning, rich_help_panel=panel, show_default=False
    )
    return option


def verify(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="The server to judge.")],
    *,
    api: Annotated[Api, typer.Option(help="The version to speak.")],
    availability: Annotated[
        list[Path],
        typer.Option(
            "--availability", "--availability_feed", metavar="FEED.json", help="Where to take slots from; repeatable."
        ),
    ],
    tls: Annotated[
        bool | None,
        typer.Option("--tls/--plaintext", help="TLS beyond this machine, unless told otherwise.", show_default=False),
    ] = None,
    tls_roots: Annotated[Path | None, _file("--tls-roots", "Trust these authorities (PEM), not the system's.")] = None,
    tls_certificate: Annotated[Path | None, _file("--tls-certificate", "Show this client certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, _file("--tls-key", "Its private key (PEM).")] = None,
    tls_name: Annotated[
        str, typer.Option(metavar="NAME", help="The server's name, where not HOST.", show_default=False)
    ] = "",
    only: Annotated[
        list[str] | None, typer.Option(metavar="GROUP|ID", help="Try these; repeatable.", show_default="all")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(metavar="GROUP|ID", help="Leave these out; repeatable.", show_default="none")
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP|ID", help="These must pass: no warning, not skipped; repeatable.", show_default="none"
        ),
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Leave out what waits for leases to end.")] = False,
    seed: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Tokens and users come from this.", show_default="a new one")
    ] = None,
    requests: Annotated[int, typer.Option(min=1, help="Make so many requests at most.")] = 3000,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")] = 10.0,
    json_report: Annotated[Path | None, _file("--json", "Write the report as JSON.", _OUT)] = None,
    i_own_this_server: Annotated[
        bool,
        typer.Option(
            "--i-own-this-server", help="Needed for a host that is not this machine: it books and cancels there."
        ),
    ] = False,
) -> None:
    """Prove a booking server right, before Google does.

    Calls any server as Google does, judges its answers by Google's pages, and says what was sent, expected and
    answered. Takes slots from the availability feed, books under made-up names, and cancels what it booked. Exit code 0
    only if every required case passes. docs/verify.md lists the cases.
    """
    from slotlease.cli import verify_told as told  # noqa: PLC0415 - slow to import: see cli/__init__.py
    from slotlease.verify.cases import every_case  # noqa: PLC0415 - the same
    from slotlease.verify.report import Head, as_data  # noqa: PLC0415 - the same
    from slotlease.verify.run import Choice, run  # noqa: PLC0415 - the same
    from slotlease.verify.shop import Version  # noqa: PLC0415 - the same

    _must_be_ours(address, owned=i_own_this_server)
    dialing = _dialing(address, timeout, _tls(address, tls, tls_roots, tls_certificate, tls_key, tls_name))
    cases = every_case()
    chosen, skipped, needed = (_names(words, [case.id for case in cases]) for words in (only, skip, require))
    choice = Choice(chosen, skipped, needed, wait=not no_wait)
    seed = seed or secrets.token_hex(4)
    began_us, began_s = _now_us(), time.perf_counter()
    caller, around = _surroundings(Version(api.value), dialing, availability, seed, requests)
    try:
        with told.progress(len(cases)) as watch:
            done = run(cases, around, caller, choice, watch)
    finally:
        caller.close()
    head = Head(address, caller.version, seed, began_us, time.perf_counter() - began_s)
    told.tell(head, done)
    if json_report:
        _write(json_report, json.dumps(as_data(head, done), indent=2) + "\n")
    if not done.passed:
        raise typer.Exit(1)


def _surroundings(
    version: Version, dialing: Dialing, feeds: Sequence[Path], seed: str, requests: int
) -> tuple[Caller, Surroundings]:
    """Raises CommandFailed."""
    from slotlease.verify.answer import Answer  # noqa: PLC0415 - slow to import: see cli/__init__.py
    from slotlease.verify.asking import Asking, Left  # noqa: PLC0415 - the same
    from slotlease.verify.feed import FeedUnreadable, read_offers  # noqa: PLC0415 - the same
    from slotlease.verify.slots import Slots  # noqa: PLC0415 - the same
    from slotlease.verify.trial import Options, Surroundings, count_of  # noqa: PLC0415 - the same
    from slotlease.verify.versions import CALLERS  # noqa: PLC0415 - the same

    dial = CALLERS.get(version)
    if dial is None:
        raise CommandFailed(f"--api {version.value} is not spoken yet; choose one of {', '.join(CALLERS)}")
    try:
        offers, full = read_offers(feeds, _now_us())
    except FeedUnreadable as error:
        raise CommandFailed(str(error)) from error
    caller = dial(dialing)
    left, absent, calls = Left(requests), set[str](), list[Answer[object]]()
    asking = Asking(caller, calls.append, left)
    slots = Slots(offers, _now_us(), lambda slot: count_of(asking, slot, absent))
    around = Surroundings(
        dial=dial,
        dialing=dialing,
        slots=slots,
        offers=offers,
        full=full,
        left=left,
        seed=seed,
        now_us=_now_us,
        pause=time.sleep,
        options=Options(),
        calls=calls,
        absent=absent,
    )
    return caller, around


def _now_us() -> int:
    return time.time_ns() // 1000


def _must_be_ours(address: str, *, owned: bool) -> None:
    """Raises CommandFailed."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or not host:
        raise CommandFailed(f"{address!r} is no HOST:PORT; write one, like 127.0.0.1:50051")
    if not owned and not _is_loopback(address):
        raise CommandFailed(
            f"{host} is not this machine, and a run books and cancels there, under made-up names; if the server is "
            "yours and may be tried so, say --i-own-this-server"
        )


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names(words: Sequence[str] | None, ids: Sequence[str]) -> frozenset[str]:
    """Raises CommandFailed for a word that chooses nothing."""
    chosen = frozenset(name for word in words or () for name in word.split(","))
    for name in sorted(chosen):
        if not any(one == name or one.startswith(f"{name}.") for one in ids):
            raise CommandFailed(f"no group or case is called {name!r}; docs/verify.md lists them")
    return chosen


def _dialing(address: str, timeout_s: float, tls: Tls | None) -> Dialing:
    from slotlease.verify.shop import Dialing  # noqa: PLC0415 - slow to import: see cli/__init__.py

    return Dialing(address, timeout_s, tls)


def _tls(
    address: str, wanted: bool | None, roots: Path | None, certificate: Path | None, key: Path | None, name: str
) -> Tls | None:
    """Raises CommandFailed."""
    from slotlease.verify.shop import Tls  # noqa: PLC0415 - slow to import: see cli/__init__.py

    given = any((roots, certificate, key, name))
    if wanted is None:
        wanted = given or not _is_loopback(address)
    if not wanted:
        if given:
            raise CommandFailed("--plaintext shows no certificate and trusts no roots; leave out one or the other")
        return None
    if (certificate is None) != (key is None):
        raise CommandFailed("--tls-certificate and --tls-key go together; give both or neither")
    return Tls(_read(roots), _read(certificate), _read(key), name)


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read ({error.strerror}); give a file that is there") from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written ({error.strerror}); choose another file") from error
    typer.echo(f"Written: {path}")
