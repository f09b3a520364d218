"""A shop for each test, and a look at its ledger afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desk.checks import assert_sound
from tests.support import Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Nothing may break in it, and when the test is over nothing may be held twice."""
    shop = open_shop(tmp_path)
    yield shop
    assert shop.incidents == []
    assert_sound(shop)
    shop.store.close()
