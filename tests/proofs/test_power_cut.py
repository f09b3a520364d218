"""The power goes, 200 times, between any two things that a disk is told: what was acknowledged is there (INV-17)."""

from __future__ import annotations

from pathlib import Path
from random import Random  # noqa: TID251 - the seed is fixed: the same cuts in every run

import pytest

from slotlease.store.open import open_store
from tests.model.effort import seeds
from tests.proofs.forgetful_disk import Fate, on_forgetful_disk
from tests.proofs.ledger_file import scratch_folder, url_of
from tests.proofs.power_cut import CUTS, SLOTS, count_lost_in_a_hurry, live_through
from tests.support import HandClock, open_shop


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(1))
def test_power_cut_loses_nothing_that_was_acknowledged(seed: int) -> None:
    seen = live_through(seed)
    assert seen["acknowledged only"] + seen["and the batch under way"] == CUTS
    assert min(seen.values()) > CUTS / 20, f"each way it can go was gone: {seen}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(1))
def test_store_that_did_not_insist_on_full_would_lose_what_it_acknowledged(seed: int) -> None:
    """This proves the test above: the same day and the same cuts, with synchronous = NORMAL."""
    assert count_lost_in_a_hurry(seed) > CUTS / 8


@pytest.mark.slow
def test_ledger_whose_making_was_cut_can_be_made_again() -> None:
    rng = Random(7)  # noqa: S311 - nobody's secret hangs on it
    with scratch_folder() as folder:
        (folder / "new").mkdir()
        images: list[Path] = []

        def cut(number: int) -> None:
            images.append(folder / f"cut-{number}")
            disk.leave(images[-1], Fate.AT_RANDOM, rng)

        with on_forgetful_disk(cut) as disk:
            open_store(url_of(folder / "new"), HandClock(), create=True).close()
        for image in images:
            shop = open_shop(image)
            shop.offer(*SLOTS)
            shop.book(SLOTS[0].asked())
            assert shop.count_available(SLOTS[0].asked()) == SLOTS[0].spots_total - 1, image
            assert shop.store.audit() == []
            shop.store.close()
        assert len(images) > 20
