"""`slotlease migrate`: the ledger's schema, forward only."""

from __future__ import annotations

import typer

from slotlease.cli.ledger import FileOption, JsonOption, StoreOption, settings_from
from slotlease.cli.output import print_json
from slotlease.store.address import shown
from slotlease.store.open import migrate_store


def migrate(store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """Bring the ledger's schema up to date.

    Forward only: an older slotlease cannot use the ledger afterwards, so keep a copy of it. Nothing happens where it
    is up to date. A ledger in a file: refused while a server serves an older schema; `slotlease serve` does the same
    when it starts. In a PostgreSQL database: makes the ledger where there is none; only this command changes tables.
    """
    settings = settings_from(file, store=store)
    schema = migrate_store(settings.store)
    name = shown(settings.store)
    if as_json:
        print_json({"store": name, "schema_before": schema.before, "schema_now": schema.now})
    elif schema.before == schema.now:
        typer.echo(f"{name} has schema {schema.now}, which is up to date. Nothing was changed.")
    else:
        typer.echo(f"{name} was brought from schema {schema.before} to {schema.now}.")
