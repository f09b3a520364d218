"""`slotlease config`: each setting, its value, and where it came from."""

from __future__ import annotations

import typer

from slotlease.cli.ledger import FileOption, JsonOption, StoreOption, settings_from
from slotlease.cli.output import print_json, print_rows
from slotlease.store.address import shown


def config(store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """Print each setting, its value, and where it came from."""
    settings = settings_from(file, store=store)
    from slotlease.config import text_of, unread_variables  # noqa: PLC0415 - see cli/__init__.py

    rows = [
        {"setting": name, "value": shown(text_of(getattr(settings, name))), "from": settings.origin(name)}
        for name in type(settings).model_fields
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("setting", "value", "from"), nothing="")
    for variable in unread_variables():
        typer.echo(f"slotlease: {variable} is in the environment and names no setting; it was passed over", err=True)
