"""`slotlease inventory`: what merchants offer, from Google's feeds onto the ledger and back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer

from slotlease.cli.inventory_told import day_row, print_imported, refused_told, summary_told, zone_of
from slotlease.cli.ledger import (
    CommandFailed,
    FileOption,
    JsonOption,
    StoreOption,
    now_us_of,
    open_ledger,
    settings_from,
)
from slotlease.cli.output import print_json, print_rows
from slotlease.cli.progress import ROWS, SLOTS, progress_bar
from slotlease.domain.slot import SECOND_US
from slotlease.inventory.day import MerchantUnknown, day_of
from slotlease.inventory.example import MERCHANTS, write_example
from slotlease.inventory.exporting import export_feeds
from slotlease.inventory.feed import FeedRefused, read_feed
from slotlease.inventory.importing import ImportSummary, import_feed, known_inventory
from slotlease.inventory.lint import DAYS_AHEAD
from slotlease.inventory.lint import lint as lint_feeds
from slotlease.store.address import shown
from slotlease.store.open import open_store
from slotlease.store.protocol import Store, StoreMissing

if TYPE_CHECKING:
    from slotlease.config import Settings

commands = typer.Typer(help="What merchants offer, from Google's feeds and back.", no_args_is_help=True)

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILES...", help="Feeds in Google's JSON format, gzipped or not, any order.")
]
ZoneOption = Annotated[str, typer.Option("--zone", metavar="NAME", help="The merchants' time zone: Europe/Amsterdam.")]

_INTERRUPTED = (
    "interrupted halfway; the ledger holds together, and each slot is of the old feed or of the new one;"
    " run the same import again to finish it"
)
_DAY_COLUMNS = (
    "time", "service", "start", "duration_s", "staff", "room", "party_size", "spots", "elsewhere", "booked", "leased",
    "available", "state",
)  # fmt: skip


@commands.command("import")
def import_(
    files: FilesArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put feeds on the ledger: all of them, or nothing.

    Makes the ledger where there is none; a dry run compares with an empty one then, and makes none. Each kind of feed
    is complete: what it no longer lists is closed or retired, and who holds any of that is kept and reported. Runs
    beside a serving server.
    """
    settings = settings_from(file, store=store)
    with _ledger_or_an_empty_one(settings) if dry_run else open_ledger(settings, create=True) as ledger:
        begun_s = time.monotonic()
        try:
            summary = _imported(ledger, files, settings.spots_total_max, dry_run=dry_run)
        except FeedRefused as refused:
            _refuse(refused, ImportSummary.of_refused(refused), as_json=as_json)
        except KeyboardInterrupt as interrupted:
            raise CommandFailed("interrupted; nothing was changed" if dry_run else _INTERRUPTED) from interrupted
        seconds = time.monotonic() - begun_s
    if as_json:
        print_json(summary_told(summary) | {"dry_run": dry_run, "seconds": round(seconds, 3)})
        return
    if dry_run:
        typer.echo(f"An import into {shown(settings.store)} would do this; nothing was changed.")
    else:
        typer.echo(f"Imported into {shown(settings.store)} in {seconds:,.1f} s.")
    print_imported(summary)


@contextmanager
def _ledger_or_an_empty_one(settings: Settings) -> Iterator[Store]:
    """Where there is no ledger yet, one that is made elsewhere and gone afterwards."""
    with ExitStack() as stack:
        try:
            store = stack.enter_context(open_ledger(settings))
        except StoreMissing:
            folder = stack.enter_context(TemporaryDirectory())
            store = open_store(f"sqlite:///{folder}/ledger.db", create=True)
            stack.callback(store.close)
        yield store


def _imported(ledger: Store, files: list[Path], spots_total_max: int, *, dry_run: bool) -> ImportSummary:
    known = known_inventory(ledger)
    with progress_bar("Reading and checking", ROWS) as note:
        feed = read_feed(files, known=known, spots_total_max=spots_total_max, progress=note)
    with feed, progress_bar("Comparing" if dry_run else "Importing", SLOTS) as note:
        return import_feed(ledger, feed, dry_run=dry_run, progress=note)


def _refuse(refused: FeedRefused, summary: ImportSummary | None, *, as_json: bool) -> NoReturn:
    """Every error, and after them how many: whoever reads a terminal reads its last lines."""
    if as_json:
        print_json(({} if summary is None else summary_told(summary)) | refused_told(refused))
    else:
        for error in refused.errors:
            typer.echo(str(error), err=True)
        if summary is not None:
            print_imported(summary)
    more = refused.count - len(refused.errors)
    listed = f", of which the first {len(refused.errors):,} are listed" if more else ""
    plural = "" if refused.count == 1 else "s"
    message = f"the feeds were refused, nothing was changed: {refused.count:,} error{plural}{listed}; correct the feeds"
    raise CommandFailed(message)


@commands.command()
def lint(files: FilesArgument, file: FileOption = None, as_json: JsonOption = False) -> None:
    """Say what Google would warn about in feeds.

    Though an import might take them. Ends with 1 if there is anything. Needs no ledger. Kinds of feeds that are not
    among the files are not missed.
    """
    settings = settings_from(file)
    now_us = int(datetime.now(tz=UTC).timestamp()) * SECOND_US
    try:
        with progress_bar("Reading and checking", ROWS) as note:
            warnings = lint_feeds(files, now_us, spots_total_max=settings.spots_total_max, progress=note)
    except FeedRefused as refused:
        _refuse(refused, None, as_json=as_json)
    if as_json:
        print_json({"warnings": [asdict(warning) | {"rule": warning.rule.value} for warning in warnings]})
    else:
        for warning in warnings:
            typer.echo(str(warning))
    if warnings:
        plural = "" if len(warnings) == 1 else "s"
        raise CommandFailed(
            f"{len(warnings):,} warning{plural}; what each rule means stands in docs/getting-started.md"
        )
    if not as_json:
        typer.echo("Nothing to warn about.")


@commands.command()
def example(
    folder: Annotated[Path, typer.Argument(help="Where to write the feeds; made if it is not there.")],
    days: Annotated[
        int, typer.Option(min=1, max=366, help="Days that the slots cover, from tomorrow on.")
    ] = DAYS_AHEAD,
    merchants: Annotated[
        int, typer.Option(min=1, max=10_000, help="A gym, a salon, a restaurant, and so on; 962 have a million slots.")
    ] = MERCHANTS,
    shards: Annotated[int, typer.Option(min=1, max=999, help="Into how many files availability is dealt out.")] = 1,
    gzipped: Annotated[bool, typer.Option("--gzip", help="Compress the files.")] = False,
    zone: ZoneOption = "UTC",
) -> None:
    """Write example feeds, to try things with."""
    now = datetime.now(tz=UTC)
    merchants_zone = zone_of(zone)
    tomorrow = now.astimezone(merchants_zone).date() + timedelta(days=1)
    generation_s = int(now.timestamp())
    try:
        written = write_example(
            folder,
            tomorrow,
            days,
            generation_s=generation_s,
            zone=merchants_zone,
            merchants=merchants,
            availability_shards=shards,
            gzipped=gzipped,
        )
    except OSError as error:
        raise _cannot_write(folder, error) from error
    for path in written.paths:
        typer.echo(str(path))
    slots = f"{sum(written.slots.values()):,} slots"
    typer.echo(f"{slots}. Import them with: slotlease inventory import {folder}/*_{generation_s}_*", err=True)


@commands.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where to write the feeds; made if it is not there.")],
    gzipped: Annotated[bool, typer.Option("--gzip/--no-gzip", help="Compress the files.")] = True,
    for_google: Annotated[
        bool, typer.Option("--for-google", help="Leave out our own keys; such feeds are not for importing.")
    ] = False,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what is on the ledger as feeds.

    Merchants, services, and slots that are still to come; spots_open is true at generation_timestamp, this very second.
    Importing the feeds again changes nothing.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        try:
            exported = export_feeds(ledger, folder, now_us_of(ledger), gzipped=gzipped, for_google=for_google)
        except OSError as error:
            raise _cannot_write(folder, error) from error
    if as_json:
        print_json(asdict(exported) | {"paths": [str(path) for path in exported.paths]})
        return
    for path in exported.paths:
        typer.echo(str(path))
    counts = f"{exported.merchants:,} merchants, {exported.services:,} services, {exported.slots:,} slots"
    typer.echo(f"{counts}.", err=True)


@commands.command()
def show(
    merchant: Annotated[str, typer.Argument(metavar="MERCHANT", help="The merchant's id.")],
    day: Annotated[str, typer.Option("--day", metavar="DATE", help="2026-01-31; today if not given.")] = "",
    zone: ZoneOption = "UTC",
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a merchant's day as a table.

    Every slot that starts on it, who holds it, and what is left. `available` is what a caller would be told this
    instant. Two slots that share staff or a room may both show spots: whichever is taken first, the other is gone.
    """
    settings = settings_from(file, store=store)
    merchants_zone = zone_of(zone)
    with open_ledger(settings) as ledger:
        wanted = _day_of(day, merchants_zone, now_us_of(ledger))
        try:
            slots = day_of(ledger, merchant, wanted, merchants_zone)
        except MerchantUnknown as unknown:
            raise CommandFailed(str(unknown)) from unknown
    rows = [day_row(slot, merchants_zone) for slot in slots]
    if as_json:
        print_json(rows)
    else:
        nothing = f"{merchant} has no slots that start on {wanted.isoformat()} ({zone})."
        print_rows(rows, _DAY_COLUMNS, nothing=nothing)


def _day_of(text: str, zone: ZoneInfo, now_us: int) -> date:
    if not text:
        return datetime.fromtimestamp(now_us // SECOND_US, zone).date()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("write a date as 2026-01-31", param_hint="--day") from error


def _cannot_write(folder: Path, error: OSError) -> CommandFailed:
    where = error.filename or folder
    return CommandFailed(f"cannot write to {where} ({error.strerror}); choose a folder that may be written")
