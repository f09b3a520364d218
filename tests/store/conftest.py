"""Lets a failing check in the conformance suite, which is no test file, show the values it compared."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.store.conformance",
    "tests.store.conformance_audit",
    "tests.store.conformance_guards",
    "tests.store.conformance_import",
    "tests.store.conformance_inventory",
    "tests.store.conformance_outbox",
    "tests.store.conformance_reads",
    "tests.store.conformance_rows",
    "tests.store.conformance_time",
    "tests.store.conformance_turns",
    "tests.store.conformance_writes",
)
