"""What SECURITY.md promises, where a test can hold it to that."""

from __future__ import annotations

import re
from pathlib import Path

from slotlease.config import Settings
from slotlease.desk.purge_leases import KEPT_US
from slotlease.domain.lease import LeaseTerms
from slotlease.domain.opaque_id import SECRET_BYTES
from tests.support import DAY_US, MINUTE_US

TOP = Path(__file__).parents[2]
PAGE = (TOP / "SECURITY.md").read_text("utf-8")


def test_its_numbers_are_those_of_the_code() -> None:
    assert f"{SECRET_BYTES * 8} random bits" in PAGE
    assert f"{LeaseTerms().max_us // MINUTE_US} minutes" in PAGE
    assert f"deleted after {KEPT_US // DAY_US} days" in PAGE


def test_the_settings_that_it_leans_on_exist_and_are_safe_unless_asked_otherwise() -> None:
    named = set(re.findall(r"`(\w+)(?: = on)?`", PAGE)) & set(Settings.model_fields)
    assert {"lease_max", "tls_client_roots", "tls_client_names", "insecure"} <= named
    settings = Settings()
    assert (settings.metrics, settings.rest, settings.reflection, settings.traces) == ("off", "off", False, False)
    assert not settings.insecure
    assert settings.grpc.startswith("127.0.0.1:")


def test_the_pages_that_it_names_exist_and_it_names_nobody() -> None:
    for place in re.findall(r"docs/[\w/-]+", PAGE):
        assert (TOP / place).exists() or list(TOP.glob(f"{place}*")), place
    assert not re.search(r"[\w.]+@[\w.]+|https?://", PAGE), (
        "a person's address or a host: who reports finds the repository"
    )
