"""`slotlease doctor`: recounts the ledger from its tables."""

from __future__ import annotations

from dataclasses import asdict

import typer

from slotlease.cli.ledger import FileOption, JsonOption, StoreOption, now_us_of, open_ledger, settings_from
from slotlease.cli.output import instant, print_json, print_rows

RECOUNTED = (
    "every slot's busy spots against its capacity, staff and rooms against overlapping slots, every lease and booking"
    " against its spot, every booked lease against its booking, every booking against its events"
)


def doctor(store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """Recount every spot, staff and room of the ledger.

    Exit code 1 and a list if anything is held twice, or held by nobody. Reads only, and runs beside a serving server.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        at = instant(now_us_of(ledger))
        findings = [asdict(finding) for finding in ledger.audit()]
    if as_json:
        print_json({"store": settings.store, "at": at, "recounted": RECOUNTED, "findings": findings})
    else:
        typer.echo(f"Recounted {settings.store} at {at}: {RECOUNTED}.")
        print_rows(findings, ("rule", "where", "what"), nothing="Nothing is held twice, nothing is held by nobody.")
    if findings:
        if not as_json:
            typer.echo(f"slotlease: {len(findings)} findings; stop selling here, keep the file, report them", err=True)
        raise typer.Exit(1)
