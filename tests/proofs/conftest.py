"""What the proofs share: a folder in memory, and a tripwire on every connection to a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres.ledger_database import ledger_database
from tests.proofs.ledger_file import Engine, LedgerFile, scratch_folder
from tests.proofs.tripwire import Tripwire, set_tripwire


@pytest.fixture
def tripwire() -> Iterator[Tripwire]:
    with set_tripwire() as tripwire:
        yield tripwire


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Engine]:
    """The one place that says over which databases a proof is held."""
    if request.param == "sqlite":
        yield LedgerFile(scratch)
        return
    server, template = map(request.getfixturevalue, ("postgres", "postgres_template"))
    with ledger_database(server, template) as ledger:
        yield ledger
