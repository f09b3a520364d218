"""`slotlease backup`: a copy of the ledger, made while it is served."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from slotlease.cli.ledger import FileOption, JsonOption, StoreOption, settings_from
from slotlease.cli.output import instant, print_json, print_rows
from slotlease.cli.progress import MEGABYTES, progress_bar
from slotlease.store.backup import BackedUp, back_up
from slotlease.store.clock import system_clock
from slotlease.store.open import SQLITE_PREFIX


def backup(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes. It must not be there yet.")],
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the ledger to a file, while it is served.

    The copy is of one instant. It is read from end to end and recounted before it gets its name; exit code 1 and a
    list if the ledger itself holds something twice, or for nobody. For SQLite: PostgreSQL has tools of its own.
    """
    settings = settings_from(file, store=store)
    with progress_bar("Copying", MEGABYTES) as note:
        done = back_up(settings.store, to, system_clock, note)
    findings = [asdict(finding) for finding in done.findings or ()]
    if as_json:
        told = {"store": settings.store, "file": str(to), "at": instant(done.at_us), "bytes": done.size_bytes}
        audited = done.findings is not None
        print_json({**told, "schema": done.schema, "rows": done.rows, "audited": audited, "findings": findings})
    else:
        _tell(done, settings.store, to)
        if findings:
            print_rows(findings, ("rule", "where", "what"), nothing="")
    if findings:
        typer.echo(
            "slotlease: the copy is whole, but what is wrong in it is wrong in the ledger: `slotlease doctor`", err=True
        )
        raise typer.Exit(1)


def _tell(done: BackedUp, url: str, to: Path) -> None:
    ledger = url.removeprefix(SQLITE_PREFIX)
    claims = ", ".join(f"{done.rows[table]:,} {table}s" for table in ("slot", "lease", "booking", "event"))
    typer.echo(f"Copied {url} as of {instant(done.at_us)} to {to}: {done.size_bytes:,} bytes, schema {done.schema}.")
    typer.echo(f"Every page is whole, and every row is there: {claims}.")
    if done.findings is None:
        typer.echo("Its schema is not this program's, so it was not recounted; `slotlease doctor` does, once migrated.")
    elif not done.findings:
        typer.echo("Recounted: nothing is held twice, nothing is held by nobody.")
    typer.echo(
        f"To restore it: stop the server; move {ledger}, {ledger}-wal and {ledger}-shm away, all that are there; then\n"
        f"  cp {to} {ledger}\n"
        f"  slotlease doctor --store {url}\n"
        "and start the server. It knows nothing of what was sold since then: docs/operate/README.md says what to do."
    )
