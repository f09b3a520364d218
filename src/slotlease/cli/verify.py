"""`slotlease verify`: proves a booking server right, anybody's, before Google does."""

from __future__ import annotations

import os
import secrets
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from slotlease.cli.ledger import CommandFailed
from slotlease.cli.verify_flags import chosen_names, credentials_from, pair_of, tls_from, where_to_call


class Api(StrEnum):
    """verify.shop.Version, which takes long to import: see cli/__init__.py."""

    V0 = "v0"
    V2 = "v2"
    V3 = "v3"


def _file(flag: str, meaning: str) -> Any:
    return typer.Option(flag, metavar="PATH", help=meaning, show_default=False)


def _text(*flags: str, metavar: str, meaning: str) -> Any:
    return typer.Option(*flags, metavar=metavar, help=meaning, show_default=False)


def _chosen(flag: str, meaning: str) -> Any:
    return typer.Option(flag, metavar="GROUP|ID,...", help=meaning, show_default=False)


def _googles(flag: str, meaning: str) -> Any:
    return typer.Option(flag, f"-{flag.lstrip('-')}", help=meaning)


def verify(
    address: Annotated[
        str | None, typer.Argument(metavar="HOST:PORT", help="The server to judge.", show_default=False)
    ] = None,
    *,
    api: Annotated[Api, typer.Option(help="The version to speak.")],
    availability: Annotated[
        list[Path],
        typer.Option(
            "--availability",
            "--availability_feed",
            "-availability_feed",
            metavar="FEED.json",
            help="Where to take slots from: availability feeds as Google gets them; repeatable.",
        ),
    ],
    i_own_this_server: Annotated[
        bool,
        typer.Option(
            "--i-own-this-server", help="Needed for a host that is not this machine: it books and cancels there."
        ),
    ] = False,
    tls: Annotated[
        bool | None,
        typer.Option(
            "--tls/--plaintext",
            help="Beyond this machine it is TLS unless told otherwise.",
            show_default=False,
        ),
    ] = None,
    tls_roots: Annotated[Path | None, _file("--tls-roots", "Trust these authorities (PEM), not the system's.")] = None,
    tls_certificate: Annotated[Path | None, _file("--tls-certificate", "Show this client certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, _file("--tls-key", "Its private key (PEM).")] = None,
    tls_name: Annotated[str, _text("--tls-name", metavar="NAME", meaning="The server's name, where not HOST.")] = "",
    tls_wrong_name_certificate: Annotated[
        Path | None, _file("--tls-wrong-name-certificate", "One that must be refused, though its issuer is trusted.")
    ] = None,
    tls_wrong_name_key: Annotated[Path | None, _file("--tls-wrong-name-key", "Its private key (PEM).")] = None,
    user: Annotated[str, _text("--user", metavar="NAME", meaning="Version 3's user.")] = "",
    password: Annotated[
        str,
        typer.Option(
            envvar="VERIFY_PASSWORD",
            metavar="TEXT",
            help="Version 3's password; better in the environment, where nobody sees it.",
            show_default=False,
        ),
    ] = "",
    credentials_file: Annotated[
        Path | None, _file("--credentials_file", "A line user:password, instead of the two.")
    ] = None,
    prefix: Annotated[str, _text("--prefix", metavar="PATH", meaning="What stands before /v3/ in version 3.")] = "",
    only: Annotated[list[str] | None, _chosen("--only", "Try these; all unless said.")] = None,
    skip: Annotated[list[str] | None, _chosen("--skip", "Leave these out.")] = None,
    require: Annotated[
        list[str] | None, _chosen("--require", "These must pass: no warning, and not left out for whatever reason.")
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Leave out what waits for leases to end.")] = False,
    qps: Annotated[float, typer.Option(min=0.1, max=1000, help="Calls a second in the group latency.")] = 5.0,
    calls: Annotated[int, typer.Option(min=1, max=1000, help="Calls of each method there.")] = 10,
    racers: Annotated[int, typer.Option(min=2, max=100, help="Clients at once in the group race.")] = 8,
    requests: Annotated[int, typer.Option(min=1, help="Make so many requests at most.")] = 3000,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")] = 10.0,
    seed: Annotated[str | None, _text("--seed", metavar="TEXT", meaning="What tokens and users are made from.")] = None,
    json_report: Annotated[Path | None, _file("--json", "Write the report as JSON.")] = None,
    junit: Annotated[Path | None, _file("--junit", "Write it as JUnit's XML.")] = None,
    html: Annotated[Path | None, _file("--html", "Write it as one page that needs nothing else.")] = None,
    output_dir: Annotated[
        Path | None, _file("--output_dir", "Write all three there: report.json, report.xml, report.html.")
    ] = None,
    server_addr: Annotated[
        str | None, _text("--server_addr", "-server_addr", metavar="HOST:PORT", meaning="HOST:PORT.")
    ] = None,
    all_tests: Annotated[bool, _googles("--all_tests", "Everything, as without it.")] = False,
    health_check_test: Annotated[bool, _googles("--health_check_test", "--only connection.health")] = False,
    check_availability_test: Annotated[bool, _googles("--check_availability_test", "--only availability")] = False,
    booking_test: Annotated[
        bool, _googles("--booking_test", "--only booking (with it, what becomes of bookings)")
    ] = False,
    list_bookings_test: Annotated[bool, _googles("--list_bookings_test", "--only booking.list")] = False,
    rescheduling_test: Annotated[bool, _googles("--rescheduling_test", "--only booking.move")] = False,
    cancel_all_bookings: Annotated[
        bool,
        _googles("--cancel_all_bookings", "Try nothing: cancel what an interrupted run with this --seed has left."),
    ] = False,
) -> None:
    """Prove a booking server right, before Google does.

    Calls any server as Google does, judges its answers by Google's pages, and says what was sent, expected and
    answered. Takes slots from the availability feed, books under made-up names, and cancels what it booked. Exit code 0
    only if every required case passes. docs/verify.md lists the cases.
    """
    # Refused handshakes are what some cases are about: the library's own lines about them would tell nothing new.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from slotlease.cli import verify_told as told  # noqa: PLC0415 - slow to import: see cli/__init__.py
    from slotlease.cli.verify_start import start  # noqa: PLC0415 - the same
    from slotlease.verify.cases import every_case  # noqa: PLC0415 - the same
    from slotlease.verify.report import Head  # noqa: PLC0415 - the same
    from slotlease.verify.run import Choice, NothingListed, cancel_all, run  # noqa: PLC0415 - the same
    from slotlease.verify.shop import Dialing, Version  # noqa: PLC0415 - the same
    from slotlease.verify.trial import Options  # noqa: PLC0415 - the same

    place = where_to_call(address or server_addr, owned=i_own_this_server)
    named = tls_from(place, tls, (tls_roots, tls_certificate, tls_key), tls_name)
    user, password = credentials_from(user, password, credentials_file)
    dialing = Dialing(place, timeout, named, user=user, password=password, prefix=_path(prefix))
    cases = every_case()
    googles = {
        "connection.health": health_check_test,
        "availability": check_availability_test,
        "booking": booking_test,
        "booking.list": list_bookings_test,
        "booking.move": rescheduling_test,
    }
    only = [*(only or ()), *(name for name, given in googles.items() if given and not all_tests)]
    chosen, skipped, needed = (chosen_names(words, cases) for words in (only, skip, require))
    choice = Choice(chosen, skipped, needed, wait=not no_wait)
    seed = seed or secrets.token_hex(4)
    wrong_name = pair_of(tls_wrong_name_certificate, tls_wrong_name_key, "--tls-wrong-name-certificate and its key")
    options = Options(qps=qps, calls=calls, racers=racers, wrong_name=wrong_name)
    reports = {"json": json_report, "xml": junit, "html": html}
    if output_dir:
        reports = {kind: path or output_dir / f"report.{kind}" for kind, path in reports.items()}
    began_us, began_s = int(time.time()) * 1_000_000, time.perf_counter()
    caller, around = start(Version(api.value), dialing, availability, seed, requests, options)
    try:
        if cancel_all_bookings:
            told.tell_remains(cancel_all([case for case in cases if choice.tries(case)], around, caller))
            return
        with told.progress(sum(choice.tries(case) for case in cases)) as watch:
            done = run(cases, around, caller, choice, watch)
    except NothingListed as error:
        raise CommandFailed(str(error)) from error
    finally:
        caller.close()
    head = Head(place, caller.version, seed, began_us, time.perf_counter() - began_s)
    told.tell(head, done)
    told.write_reports(reports, head, done)
    if not done.passed:
        raise typer.Exit(1)


def _path(prefix: str) -> str:
    return f"/{prefix.strip('/')}" if prefix.strip("/") else ""
