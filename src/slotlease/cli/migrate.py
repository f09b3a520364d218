"""`slotlease migrate`: the ledger's schema, forward only."""

from __future__ import annotations

import typer

from slotlease.cli.ledger import FileOption, JsonOption, StoreOption, open_ledger, settings_from
from slotlease.cli.output import print_json
from slotlease.store.protocol import StoreOutdated


def migrate(store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """Bring the ledger's schema up to date.

    Forward only: an older slotlease cannot use the ledger afterwards, so keep a copy of the file. Nothing happens where
    it is up to date. Refused while a server serves an older schema; `slotlease serve` does the same when it starts.
    """
    settings = settings_from(file, store=store)
    try:
        with open_ledger(settings) as ledger:
            schema = ledger.schema
    except StoreOutdated:
        with open_ledger(settings, serve=True) as ledger:
            schema = ledger.schema
    if as_json:
        print_json({"store": settings.store, "schema_before": schema.before, "schema_now": schema.now})
    elif schema.before == schema.now:
        typer.echo(f"{settings.store} has schema {schema.now}, which is up to date. Nothing was changed.")
    else:
        typer.echo(f"{settings.store} was brought from schema {schema.before} to {schema.now}.")
