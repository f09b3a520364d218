"""What `slotlease verify` shows: how far it is, then a table as Google's, then what failed and why."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from slotlease.cli.ledger import CommandFailed
from slotlease.cli.output import console, in_words, span
from slotlease.verify.case import Case, Outcome, Result
from slotlease.verify.junit import as_junit
from slotlease.verify.page import as_page
from slotlease.verify.report import Head, as_data, by_group, figures, outcomes, shortened, slot_in_words, tallies
from slotlease.verify.run import Done, Remains
from slotlease.verify.shop import instant

_STYLES: Final = {
    Outcome.PASS: "green",
    Outcome.WARN: "yellow",
    Outcome.FAIL: "bold red",
    Outcome.SKIPPED: "dim",
    Outcome.NOT_TRIED: "magenta",
}
_CALLS_SHOWN: Final = 3


class Silent:
    """Where stderr is no terminal: nobody looks on."""

    def began(self, case: Case) -> None:
        pass

    def ended(self, result: Result) -> None:
        pass

    def waits(self, seconds: float, cases: int) -> None:
        typer.echo(_waiting(seconds, cases), err=True)


class Bars(Silent):
    def __init__(self, bars: Progress, cases: int) -> None:
        self._bars = bars
        self._task = bars.add_task("", total=cases)

    def began(self, case: Case) -> None:
        self._bars.update(self._task, description=case.id)

    def ended(self, result: Result) -> None:
        self._bars.advance(self._task)
        if result.outcome in {Outcome.FAIL, Outcome.NOT_TRIED}:
            line = Text.assemble((result.outcome.value, _STYLES[result.outcome]), " ", result.case.id)
            self._bars.console.print(line)

    def waits(self, seconds: float, cases: int) -> None:
        self._bars.update(self._task, description=_waiting(seconds, cases))


@contextmanager
def progress(cases: int) -> Iterator[Silent]:
    if not sys.stderr.isatty():
        yield Silent()
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True, markup=False), transient=True) as bars:
        yield Bars(bars, cases)


def _waiting(seconds: float, cases: int) -> str:
    many = "case waits" if cases == 1 else "cases wait"
    return f"{cases} {many} for leases to end, {span(round(seconds) or 1)} more (--no-wait leaves that out)"


def tell(head: Head, done: Done) -> None:
    for result in done.results:
        if result.outcome in {Outcome.FAIL, Outcome.WARN, Outcome.NOT_TRIED}:
            _tell_result(result)
    _tell_tables(head, done)
    tell_remains(done.remains)
    if done.passed:
        typer.echo(f"Every required case passed, in {head.took_s:.1f} s.")
        return
    if done.interrupted:
        typer.echo("Interrupted: the other cases were not tried.")
    if done.unproved:
        typer.echo(f"{len(done.unproved)} required cases did not pass: {', '.join(_id(one) for one in done.unproved)}.")
    typer.echo(f"The same tokens and users again: --seed {head.seed}")


def _id(result: Result) -> str:
    return result.case.id


def _tell_result(result: Result) -> None:
    case = result.case
    line = Text.assemble((result.outcome.value.upper(), _STYLES[result.outcome]), f" {case.id}: {case.title}")
    console().print(line, soft_wrap=True)
    if result.why:
        typer.echo(f"  {in_words('', result.why)}")
    for finding in result.findings:
        _line("expected", finding.expected)
        _line("came", finding.came)
    if result.findings:
        _line("rule", f"{case.rule} ({case.source})")
        _line("look at", case.hint)
    if result.outcome is Outcome.FAIL:
        for call in result.calls[-_CALLS_SHOWN:]:
            typer.echo(f"  {call.method}, {call.took_s * 1000:.1f} ms")
            _block("sent", call.sent)
            _block("came", call.came)
    typer.echo("")


def _line(name: str, text: str) -> None:
    typer.echo(f"  {name:<9} {in_words('', text)}")


def _block(name: str, text: str) -> None:
    for number, line in enumerate(shortened(text).splitlines()):
        typer.echo(f"    {name if not number else '':<5} {in_words('', line)}")


def _tell_tables(head: Head, done: Done) -> None:
    typer.echo(f"{head.address}, version {head.version.value[1:]}:")
    for tally in tallies(done):
        typer.echo(f"  {tally.method}: {tally.errors} errors of {tally.calls}")
    typer.echo("")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("group")
    for outcome in Outcome:
        table.add_column(outcome.value, justify="right")
    for group, results in by_group(done).items():
        counts = outcomes(results)
        row = (Text(str(counts[one]) if counts[one] else "", _STYLES[one]) for one in Outcome)
        table.add_row(group, *row)
    console().print(table)
    typer.echo("")
    for case_id, note in figures(done):
        typer.echo(f"  {case_id}: {in_words('', note)}")
    if figures(done):
        typer.echo("")


def tell_remains(remains: Remains) -> None:
    if not remains.bookings:
        typer.echo("Everything that was booked is cancelled.")
    for booking_id, slot, answer in remains.bookings:
        typer.echo(f"NOT CANCELLED: {in_words('', booking_id)}, {slot_in_words(slot)}: {in_words('', answer.came)}")
    if remains.leases:
        many = "lease ends by itself" if remains.leases == 1 else "leases end by themselves"
        typer.echo(f"{remains.leases} {many} by {instant(remains.leases_until_us)}; Google's API cannot give one back.")


def write_reports(paths: Mapping[str, Path | None], head: Head, done: Done) -> None:
    """`paths` by kind: json, xml, html. Raises CommandFailed."""
    made = {"json": _as_json, "xml": as_junit, "html": as_page}
    for kind, path in paths.items():
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[kind](head, done), encoding="utf-8")
        except OSError as error:
            raise CommandFailed(f"{path} cannot be written ({error.strerror}); choose another file") from error
        typer.echo(f"Written: {path}")


def _as_json(head: Head, done: Done) -> str:
    return json.dumps(as_data(head, done), indent=2) + "\n"
