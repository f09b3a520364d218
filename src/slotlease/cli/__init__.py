"""The commands: thin, one file per noun. Exit codes: 0 done, 1 refused or failed, 2 misused.

Whatever takes long to import (settings, gRPC) is imported by the command that needs it, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from slotlease import __version__
from slotlease.cli.booking import booking
from slotlease.cli.config import config
from slotlease.cli.demo import demo
from slotlease.cli.doctor import doctor
from slotlease.cli.inventory import inventory
from slotlease.cli.lease import lease
from slotlease.cli.ledger import CommandFailed
from slotlease.cli.serve import serve
from slotlease.desk.fault import DeskFault
from slotlease.inventory.feed import FeedRefused
from slotlease.inventory.importing import ImportRefused
from slotlease.store.protocol import StoreFault

app = typer.Typer(
    name="slotlease",
    help="A booking server for Google's Actions Center: it leases a slot before it is booked, and sells no spot twice.",
    no_args_is_help=True,
    add_completion=False,
    # Else every [word] of a help text is taken for markup and vanishes.
    rich_markup_mode=None,
    # Typer's own traceback shows the values of variables, and they may be a customer's.
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(demo)
app.add_typer(inventory, name="inventory")
app.add_typer(lease, name="lease")
app.add_typer(booking, name="booking")
app.command()(doctor)
app.command()(config)

_TOLD_BY_THEIR_TEXT = (CommandFailed, StoreFault, FeedRefused, ImportRefused, DeskFault)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"slotlease {__version__}")
        raise typer.Exit


@app.callback()
def slotlease(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and ends the process with its exit code."""
    try:
        app(arguments)
    except _TOLD_BY_THEIR_TEXT as error:
        typer.echo(f"slotlease: {error}", err=True)
        sys.exit(1)
