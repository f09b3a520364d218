"""`slotlease credential`: the names and passwords with which Google calls version 3."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Annotated

import typer

from slotlease.cli.asking import YesOption, instant_us, make_sure
from slotlease.cli.ledger import (
    CommandFailed,
    FileOption,
    JsonOption,
    StoreOption,
    now_us_of,
    open_ledger,
    settings_from,
)
from slotlease.cli.output import instant, print_facts, print_json, print_rows
from slotlease.domain.credential import PASSWORD_BYTES, Credential, hashed
from slotlease.domain.slot import SECOND_US

commands = typer.Typer(help="Credentials: who may call version 3.", no_args_is_help=True)

NAME_LENGTH_MAX = 64
_DAY_US = timedelta(days=1) // timedelta(microseconds=1)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user name, as the Partner Portal knows it.")]


@commands.command()
def add(
    name: Name,
    days: Annotated[
        int, typer.Option(min=1, max=3650, help="How long it is valid; Google wants a new one by then.")
    ] = 180,
    start: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="From when on it is valid; from now on otherwise.")
    ] = None,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a credential, and print its password this once.

    Only the password's hash is kept. A running server knows it within seconds. Several may be valid at once: add the
    new one, enter it in the Partner Portal, and revoke the old one when Google uses the new.
    """
    if not 0 < len(name) <= NAME_LENGTH_MAX or ":" in name or not name.isprintable():
        message = f"write 1 to {NAME_LENGTH_MAX} printable characters and no colon"
        raise typer.BadParameter(message, param_hint="NAME")
    from_us = None if start is None else instant_us(start, "--from")
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        valid_from_us = now_us_of(ledger) if from_us is None else from_us
        made = Credential(
            name, hashed(ledger.fingerprint_key, name, password), valid_from_us, valid_from_us + days * _DAY_US
        )
        if not ledger.add_credential(made):
            message = f"there is a credential {name} already; choose another name, or revoke that one first"
            raise CommandFailed(message)
    facts = {
        "name": name,
        "password": password,
        "from": instant(made.not_before_us),
        "until": instant(made.not_after_us),
    }
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)


@commands.command("list")
def list_(store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """List credentials, by name; never a password."""
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        now_us = now_us_of(ledger)
        rows = [_facts(found, now_us) for found in ledger.credentials()]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("name", "valid", "from", "until", "left_s"), nothing="No credentials: version 3 asks nobody.")


@commands.command()
def revoke(name: Name, yes: YesOption = False, store: StoreOption = None, file: FileOption = None) -> None:
    """Take a credential away. A running server knows within seconds."""
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        known = [found.user_name for found in ledger.credentials()]
        if name not in known:
            raise CommandFailed(f"there is no credential {name}; `slotlease credential list` names them")
        last = (
            "It is the last one: version 3 will ask nobody on loopback, and let nobody in elsewhere. "
            if len(known) == 1
            else ""
        )
        make_sure(f"{last}Revoke {name}?", yes=yes)
        ledger.revoke_credential(name)
    typer.echo(f"Revoked {name}.")


def _facts(found: Credential, now_us: int) -> dict[str, object]:
    valid = found.is_valid(now_us)
    return {
        "name": found.user_name,
        "valid": valid,
        "from": instant(found.not_before_us),
        "until": instant(found.not_after_us),
        "left_s": (found.not_after_us - now_us) // SECOND_US if valid else None,
    }
