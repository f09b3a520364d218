"""How hard these tests try, and where. PROOF_EFFORT=20 runs twenty times as many examples and seeds as `make test`,
PROOF_SEED=100 counts the seeds of days from 100."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

EFFORT = int(os.environ.get("PROOF_EFFORT", "1"))
FIRST_SEED = int(os.environ.get("PROOF_SEED", "0"))
TIMEOUT_S = 600 * EFFORT
"""Time to shrink what was found as well: without it a failure would end as a time-out that explains nothing."""


def seeds(count: int) -> range:
    return range(FIRST_SEED, FIRST_SEED + count * EFFORT)


# Where the system has a folder in memory: no power fails in these tests, and there an fsync costs nothing.
_MEMORY = Path("/dev/shm")  # noqa: S108 - only the folder above the random name
FOLDERS = _MEMORY if os.access(_MEMORY, os.W_OK) else None


@contextmanager
def passing_folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="slotlease-model-", dir=FOLDERS) as name:
        yield Path(name)
