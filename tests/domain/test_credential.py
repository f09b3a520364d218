"""Who may call version 3: from one instant on and until another."""

from __future__ import annotations

import pytest

from slotlease.domain.credential import Credential, hashed
from tests.support import NOON_US

KEY = bytes(32)


@pytest.mark.parametrize(
    ("now_us", "valid"), [(NOON_US - 1, False), (NOON_US, True), (NOON_US + 9, True), (NOON_US + 10, False)]
)
def test_credential_is_valid_from_its_first_instant_and_not_in_its_last(now_us: int, *, valid: bool) -> None:
    assert Credential("google", bytes(32), NOON_US, NOON_US + 10).is_valid(now_us) is valid


def test_hash_depends_on_key_name_and_password_and_on_where_the_name_ends() -> None:
    told = [
        hashed(KEY, "google", "secret"),
        hashed(KEY, "googles", "ecret"),
        hashed(KEY, "google", "Secret"),
        hashed(bytes([1]) * 32, "google", "secret"),
    ]
    assert len(set(told)) == len(told)
    assert {len(one) for one in told} == {32}
