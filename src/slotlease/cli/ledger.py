"""What every command on the ledger shares: which one, opened how, asked how."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from slotlease.desk.batch import Batches
from slotlease.desk.desk import ask
from slotlease.desk.operation import Operation
from slotlease.domain.facts import Wanted
from slotlease.domain.lease import LeaseTerms
from slotlease.domain.policy import Rules
from slotlease.store.open import open_store
from slotlease.store.protocol import Store

if TYPE_CHECKING:
    from slotlease.config import Settings

AnswerT = TypeVar("AnswerT")

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="The ledger: sqlite:///PATH or postgresql://... Also SLOTLEASE_STORE, or `store` in the settings file.",
    ),
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="PATH",
        envvar="SLOTLEASE_CONFIG",
        help="The settings file (TOML). ./slotlease.toml where it is there and none is named.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Print this many at most.")]


class CommandFailed(Exception):
    """The command was refused or failed; the text says what is wrong, where, and what to do next."""


def settings_from(file: Path | None, **flags: object) -> Settings:
    """All settings, with the flags given (None: not given) before all else. Raises CommandFailed."""
    from slotlease.config import SettingsRefused, load_settings  # noqa: PLC0415 - slow to import: see cli/__init__.py

    try:
        return load_settings(flags, file)
    except SettingsRefused as error:
        raise CommandFailed(str(error)) from error


@contextmanager
def open_ledger(settings: Settings, *, create: bool = False, serve: bool = False) -> Iterator[Store]:
    """The ledger, beside whatever server serves it, or with `serve` where none does. Raises StoreRefused,
    StoreUnavailable."""
    store = open_store(settings.store, create=create, serve=serve)
    try:
        yield store
    finally:
        store.close()


def now_us_of(store: Store) -> int:
    """What time it is by the ledger's clock: the only one that judges leases."""
    with store.snapshot(Wanted()) as snapshot:
        return snapshot.facts.now_us


def ask_ledger(store: Store, operation: Operation[AnswerT], terms: LeaseTerms | None = None) -> AnswerT:
    """The answer to one request, as a running server would give it. Raises DeskFault."""
    return ask(Batches(store, Rules(store.fingerprint_key, terms or LeaseTerms()), _report), operation)


def _report(error: BaseException) -> str:
    """A mistake of ours in a command: told on stderr, and of the exception no more than a server would log."""
    from slotlease.serve import new_incident  # noqa: PLC0415 - see cli/__init__.py
    from slotlease.telemetry import reporter, set_up_logs  # noqa: PLC0415 - see cli/__init__.py

    set_up_logs()
    return reporter(new_incident)(error)
