"""`slotlease doctor`: recounts the ledger from its tables."""

from __future__ import annotations

from dataclasses import asdict

import typer

from slotlease.cli.ledger import FileOption, JsonOption, StoreOption, now_us_of, open_ledger, settings_from
from slotlease.cli.output import instant, print_json, print_rows
from slotlease.store.address import shown


def doctor(store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """Recount every spot, staff and room of the ledger.

    Exit code 1 and a list if anything is held twice, or held by nobody. Reads only, and runs beside a serving server.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        at = instant(now_us_of(ledger))
        rules = ledger.audit_rules
        findings = [asdict(finding) for finding in ledger.audit()]
    if as_json:
        print_json({"store": shown(settings.store), "at": at, "recounted": rules, "findings": findings})
    else:
        typer.echo(f"Recounted {shown(settings.store)} at {at}:")
        for rule in rules:
            count = sum(finding["rule"] == rule for finding in findings)
            typer.echo(f"  {'ok' if count == 0 else f'{count} x'}  {rule}")
        print_rows(findings, ("rule", "where", "what"), nothing="Nothing is held twice, nothing is held by nobody.")
    if findings:
        if not as_json:
            count = "one finding" if len(findings) == 1 else f"{len(findings)} findings"
            typer.echo(f"slotlease: {count}; stop selling here, keep the file, report them", err=True)
        raise typer.Exit(1)
