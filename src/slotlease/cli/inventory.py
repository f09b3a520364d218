"""`slotlease inventory`: what merchants offer, from Google's feeds onto the ledger."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from slotlease.cli.ledger import (
    CommandFailed,
    FileOption,
    JsonOption,
    StoreOption,
    open_ledger,
    settings_from,
)
from slotlease.cli.output import print_facts, print_json
from slotlease.inventory.example import write_example
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import import_feed, known_inventory

commands = typer.Typer(help="What merchants offer, from Google's feeds.", no_args_is_help=True)


@commands.command("import")
def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Feeds in Google's JSON format, gzipped or not, any order.")
    ],
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put merchants, services and availability feeds on the ledger, all of them or nothing.

    Makes the ledger where there is none. Each kind of feed is complete: what it no longer lists is closed or retired.
    Runs beside a serving server.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings, create=True) as ledger:
        known = known_inventory(ledger)
        with read_feed(files, known=known, spots_total_max=settings.spots_total_max) as feed:
            summary = asdict(import_feed(ledger, feed))
    if as_json:
        print_json(summary)
        return
    typer.echo(f"Imported into {settings.store}{'' if known.merchants else ', which was empty'}:")
    print_facts({name.replace("_", " "): f"{count:,}" for name, count in summary.items()})


@commands.command()
def example(
    folder: Annotated[Path, typer.Argument(help="Where to write the feeds; made if it is not there.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="Days that the slots cover, from tomorrow on.")] = 7,
) -> None:
    """Write example feeds of a gym, a salon and a restaurant, to try things with."""
    now = datetime.now(tz=UTC)
    tomorrow = now.date() + timedelta(days=1)
    try:
        written = write_example(folder, tomorrow, days, generation_s=int(now.timestamp()))
    except OSError as error:
        message = f"cannot write to {error.filename or folder} ({error.strerror}); choose a folder that may be written"
        raise CommandFailed(message) from error
    for path in written.paths:
        typer.echo(str(path))
    typer.echo(f"Import them with: slotlease inventory import {folder}/*_feed_*.json", err=True)
