"""`slotlease sweep`: what the server does by itself now and then, done now."""

from __future__ import annotations

from functools import partial

from slotlease.cli.ledger import (
    FileOption,
    JsonOption,
    StoreOption,
    ask_ledger,
    open_ledger,
    settings_from,
)
from slotlease.cli.output import print_facts, print_json
from slotlease.desk import purge_leases, sweep_leases


def sweep(store: StoreOption = None, file: FileOption = None, as_json: JsonOption = False) -> None:
    """Mark lapsed leases, and delete old ones.

    Those whose time is up are marked as expired; those that ended 30 days ago are deleted. A running server does
    both by itself. No answer to a customer depends on it.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        ask = partial(ask_ledger, ledger)
        done = {
            "leases_expired": sweep_leases.sweep(ledger, ask),
            "leases_deleted": purge_leases.purge(ledger, ask),
        }
    if as_json:
        print_json(done)
    else:
        print_facts({name.replace("_", " "): f"{count:,}" for name, count in done.items()})
