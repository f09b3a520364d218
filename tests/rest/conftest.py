"""One server for a file of tests; each test keeps to its own merchant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.proofs.ledger_file import scratch_folder
from tests.rest.serving import RestClient, serving_rest
from tests.support import Shop, open_shop
from tests.wire.conftest import Served, serving


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with scratch_folder() as folder:
        shop = open_shop(folder)
        with serving(shop) as served:
            yield served
        assert shop.incidents == []
        shop.store.close()


@pytest.fixture(scope="module")
def rest(served: Served) -> Iterator[RestClient]:
    with serving_rest(served) as client:
        yield client


@pytest.fixture
def shop(served: Served) -> Shop:
    return served.shop


@pytest.fixture
def merchant(request: pytest.FixtureRequest) -> str:
    name: str = request.node.name
    return name[-200:]
