"""The commands: thin, one file per noun. Exit codes: 0 done, 1 refused or failed, 2 misused.

Whatever takes long to import (settings, gRPC) is imported by the command that needs it, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from slotlease import __version__
from slotlease.cli import (
    backup,
    booking,
    cert,
    config,
    credential,
    demo,
    doctor,
    events,
    inventory,
    lease,
    marketing,
    migrate,
    serve,
    slot,
    store,
    sweep,
    verify,
)
from slotlease.cli.ledger import CommandFailed
from slotlease.desk.fault import Broken, DeskFault
from slotlease.inventory.feed import FeedRefused
from slotlease.inventory.importing import ImportRefused
from slotlease.store.protocol import StoreFault, StoreRefused

app = typer.Typer(
    name="slotlease",
    help="A booking server for Google's Actions Center: it leases a slot before it is booked, and sells no spot twice."
    "\n\n"
    "`slotlease demo` shows it at work. Exit codes: 0 done, 1 refused or failed, 2 misused.",
    no_args_is_help=True,
    add_completion=False,
    # Else every [word] of a help text is taken for markup and vanishes.
    rich_markup_mode=None,
    # Typer's own traceback shows the values of variables, and they may be a customer's.
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(demo.demo)
app.add_typer(inventory.commands, name="inventory")
app.add_typer(lease.commands, name="lease")
app.add_typer(booking.commands, name="booking")
app.add_typer(slot.commands, name="slot")
app.command()(events.events)
app.add_typer(marketing.commands, name="marketing")
app.add_typer(credential.commands, name="credential")
app.command()(sweep.sweep)
app.add_typer(cert.commands, name="cert")
app.command()(doctor.doctor)
app.command()(backup.backup)
app.add_typer(store.commands, name="store")
app.command()(migrate.migrate)
app.command()(verify.verify)
app.command()(config.config)


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
    except (CommandFailed, FeedRefused, ImportRefused, StoreFault, DeskFault) as error:
        typer.echo(f"slotlease: {_told_of(error)}", err=True)
        sys.exit(1)


def _told_of(error: Exception) -> str:
    match error:
        case Broken():
            return f"a mistake of ours, incident {error.incident}: the log line above says where; please report it"
        case StoreFault() | DeskFault() if not isinstance(error, StoreRefused):
            return f"the ledger could not be used now ({error}); mend that, then run the command again"
        case _:
            return str(error)
