"""What the proofs share: a folder in memory, and a tripwire on every connection to a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proofs.ledger_file import scratch_folder
from tests.proofs.tripwire import Tripwire, set_tripwire


@pytest.fixture
def tripwire() -> Iterator[Tripwire]:
    with set_tripwire() as tripwire:
        yield tripwire


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder
