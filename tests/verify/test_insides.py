"""Which texts tell of a server's insides, and which are what a caller may be told."""

from __future__ import annotations

import pytest

from slotlease.verify.cases_robustness import INSIDES


@pytest.mark.parametrize(
    "text",
    [
        "Exception calling application: 'abc'",
        "KeyError: 'merchant'",
        "java.lang.NullPointerException",
        "at com.example.Booking.create(Booking.java:42)",
        'File "booking.py", line 12, in create',
        "UNIQUE constraint failed: sqlite3",
        "could not execute INSERT INTO booking",
        "SELECT * FROM slot",
        "panic: runtime error",
        "open /var/lib/booking/ledger.db: no such file",
    ],
)
def test_what_a_program_says_to_its_maker_is_found(text: str) -> None:
    assert INSIDES.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "merchant_id: no merchant with this id",
        "internal error, incident 5f1c2a",
        "Error: this slot is taken",
        "the selected slot is not available, choose one from another day",
        "lease.slot.start_time: is required (and 3 more mistakes)",
        "Method not found!",
    ],
)
def test_what_a_caller_may_be_told_is_not(text: str) -> None:
    assert not INSIDES.search(text)
