"""What every test leaves as it found it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command sets up its logs for its process, which here is everybody's: the next test's library would write to a
    stream that is gone. What a module's own fixture set up before is its tests' to keep."""
    handlers, was_set_up, before = logging.root.handlers[:], structlog.is_configured(), structlog.get_config()
    yield
    logging.root.handlers[:] = handlers
    structlog.reset_defaults()
    if was_set_up:
        structlog.configure(**before)
