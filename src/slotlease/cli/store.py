"""`slotlease store`: where the ledger is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from slotlease.cli.ledger import JsonOption
from slotlease.cli.output import print_json, print_rows
from slotlease.cli.progress import ROWS, progress_bar
from slotlease.store.address import shown
from slotlease.store.clock import system_clock
from slotlease.store.copying import copy_ledger
from slotlease.store.protocol import Finding

commands = typer.Typer(help="Stores: where a ledger is kept.", no_args_is_help=True)


@commands.command()
def copy(
    url_from: Annotated[str, typer.Argument(metavar="FROM", help="The ledger: sqlite:///PATH or postgresql://...")],
    url_to: Annotated[str, typer.Argument(metavar="TO", help="Where it goes: empty, or not there yet.")],
    as_json: JsonOption = False,
) -> None:
    """Copy the whole ledger to another store.

    Bookings, leases, tokens, cursors and passwords stay good there. Stop the server first: while the copy is made
    nobody serves or changes either ledger. What arrived is compared with what was sent, and both are recounted as
    `slotlease doctor` does; exit code 1 if that finds anything.
    """
    with progress_bar("Copying", ROWS) as note:
        done = copy_ledger(url_from, url_to, system_clock, note)
    sides = ((url_from, done.findings_from), (url_to, done.findings_to))
    findings = [{"store": shown(url), **asdict(finding)} for url, found in sides for finding in found]
    if as_json:
        ends = {"from": shown(url_from), "to": shown(url_to)}
        print_json({**ends, "rows": done.rows, "digest": done.digest, "findings": findings})
    else:
        rows = [{"table": table.replace("_", " "), "rows": f"{count:,}"} for table, count in done.rows.items()]
        print_rows(rows, ("table", "rows"), nothing="")
        typer.echo(f"{shown(url_to)} holds the same rows as {shown(url_from)}; their digest is {done.digest[:16]}.")
        if findings:
            print_rows(findings, ("store", "rule", "where", "what"), nothing="")
        else:
            typer.echo("Recounted both: nothing is held twice, nothing is held by nobody.")
        typer.echo(
            f"From now on serve {shown(url_to)} alone: a server on {shown(url_from)} would sell the same spots again."
        )
    if findings:
        _complain(done.findings_from, url_from)
        raise typer.Exit(1)


def _complain(findings_from: Sequence[Finding], url_from: str) -> None:
    where = f"it was wrong in {shown(url_from)} before" if findings_from else "please report it"
    typer.echo(f"slotlease: what was copied is not sound: {where}", err=True)
