"""Ids that we make: they find their row, give nothing away, and are never half understood."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotlease.domain.opaque_id import SECRET_BYTES, RowId, parse_row_id

HEX = "000102030405060708090a0b0c0d0e0f"
SECRET = bytes.fromhex(HEX)


@settings(deadline=None)
@given(
    kind=st.sampled_from("lb"),
    merchant_no=st.integers(1, 10**15 - 1),
    row_no=st.integers(1, 10**18 - 1),
    secret=st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES),
)
def test_id_is_read_back_as_it_was_written(kind: str, merchant_no: int, row_no: int, secret: bytes) -> None:
    row_id = RowId(kind, merchant_no, row_no, secret)
    assert parse_row_id(kind, str(row_id)) == row_id
    assert re.fullmatch(r"[a-z0-9-]{1,80}", str(row_id)), "safe in a URL path, and where case is lost"


@pytest.mark.parametrize(("kind", "other"), [("l", "b"), ("b", "l")])
def test_id_of_a_lease_is_no_id_of_a_booking(kind: str, other: str) -> None:
    assert parse_row_id(other, f"{kind}1-1-{HEX}") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "l",
        "l1",
        "l1-1",
        "l1-1-",
        f"1-1-{HEX}",
        f"L1-1-{HEX}",
        f"l1-1-{HEX.upper()}",
        f"x1-1-{HEX}",
        f"ll1-1-{HEX}",
        f"l1-{HEX}",
        f"l1-1-{HEX[:-1]}",
        f"l1-1-{HEX}0",
        f"l1-1-{HEX[:-1]}g",
        f"l0-1-{HEX}",
        f"l1-0-{HEX}",
        f"l01-1-{HEX}",
        f"l1-01-{HEX}",
        f"l-1-1-{HEX}",
        f"l1--1-{HEX}",
        f"l+1-1-{HEX}",
        f"l1.0-1-{HEX}",
        f"l1_0-1-{HEX}",
        f" l1-1-{HEX}",
        f"l1-1-{HEX} ",
        f"l1-1-{HEX}\n",
        f"\nl1-1-{HEX}",
        f"l1-1-{HEX}\x00",
        f"l1-1-{HEX}-1",
        f"l{'9' * 16}-1-{HEX}",
        f"l1-{'9' * 19}-{HEX}",
        f"l\u0661-1-{HEX}",
        f"l\uff11-1-{HEX}",
        f"l1\u20111-{HEX}",
        f"l1-1-{HEX[:-1]}\ud800",
        "l1-1-" + "0" * 100_000,
    ],
)
def test_malformed_id_names_nothing(text: str) -> None:
    assert parse_row_id("l", text) is None


@settings(deadline=None)
@given(st.text())
def test_any_text_is_an_id_or_nothing_and_never_an_error(text: str) -> None:
    row_id = parse_row_id("l", text)
    assert row_id is None or str(row_id) == text


@pytest.mark.parametrize("bit", [0, 63, 127])
def test_id_with_one_other_bit_does_not_open_the_row(bit: int) -> None:
    other = (int.from_bytes(SECRET, "big") ^ 1 << bit).to_bytes(SECRET_BYTES, "big")
    assert RowId("l", 1, 1, SECRET).opens(SECRET)
    assert not RowId("l", 1, 1, SECRET).opens(other)
