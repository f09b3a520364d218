"""`slotlease verify` is proved by breaking: a server that misbehaves in one way fails the cases that name it, and no
other."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from slotlease.inventory.example import GYM, YOGA
from slotlease.verify.answer import Answer
from slotlease.verify.asking import Asking, Left
from slotlease.verify.case import Case, Outcome
from slotlease.verify.cases import every_case
from slotlease.verify.feed import read_offers
from slotlease.verify.run import Choice, Done, run
from slotlease.verify.shop import Dialing, Offer, Version
from slotlease.verify.slots import Slots
from slotlease.verify.trial import Options, Surroundings, count_of
from slotlease.verify.versions import CALLERS
from tests.cli.running import TOMORROW
from tests.cli.running import run as run_command
from tests.verify.judging import judged
from tests.verify.tampering.fault import Fault
from tests.verify.tampering.faults import FAULTS
from tests.verify.tampering.layer import Layer, tampering

KINDS = 3
"""Of merchants in the example. Each fault has one of each kind to itself: no lease of another is in its way."""

CORE = frozenset(
    {"availability.check.echo", "availability.batch.complete", "lease.echo", "lease.consumed", "booking.made"}
    | {"booking.token.same", "booking.full", "booking.status", "booking.list", "booking.cancel", "booking.move"}
)
"""What is run for each fault beside the groups that it is about; the whole set is run where WHOLE is set."""

WHOLE = "VERIFY_TAMPERING_WHOLE"

Offers = dict[str, tuple[list[Offer], list[Offer]]]


class Silent:
    def began(self, case: Case) -> None:
        pass

    def ended(self, result: object) -> None:
        pass

    def waits(self, seconds: float, cases: int) -> None:
        pass


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Layer, Offers]]:
    folder = tmp_path_factory.mktemp("judged")
    with judged(folder, merchants=KINDS * (len(FAULTS) + 1), lasts_s=300) as server, tampering(server.address) as layer:
        open_, full = read_offers(server.feeds, _now_us())
        offers: Offers = {}
        for place, some in enumerate((open_, full)):
            for offer in some:
                number = offer.slot.merchant_id.rpartition("-")[2]
                offers.setdefault(number, ([], []))[place].append(offer)
        yield layer, offers


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(FAULTS)), ids=lambda number: FAULTS[number].name)
def test_a_fault_fails_the_cases_that_name_it_and_no_other(shop: tuple[Layer, Offers], number: int) -> None:
    layer, offers = shop
    fault = FAULTS[number]
    layer.spoil(fault)
    done = _tried(layer.address, offers[str(number + 2)], fault)
    told = {one: {r.case.id for r in done.results if r.outcome is one} for one in Outcome}
    not_tried = told[Outcome.NOT_TRIED]
    stopped = {name for name in fault.stops if any(_is_in(one, name) for one in not_tried)}
    stopped |= {one for one in not_tried if not any(_is_in(one, name) for name in stopped)}
    came = {Outcome.FAIL: told[Outcome.FAIL], Outcome.WARN: told[Outcome.WARN], Outcome.NOT_TRIED: stopped}
    why = {r.case.id: r.why or [(f.expected, f.came) for f in r.findings] for r in done.results}
    expected = {Outcome.FAIL: fault.fails, Outcome.WARN: fault.warns, Outcome.NOT_TRIED: fault.stops}
    assert came == expected, "\n".join(
        f"{name}: {outcome.value}: {why[name]}" for outcome in came for name in sorted(told[outcome])
    )


def test_a_fault_names_cases_that_there_are() -> None:
    ids = {case.id for case in every_case()}
    ids |= {case.group for case in every_case()}
    assert [one.name for one in FAULTS if not one.fails | one.warns | one.stops] == []
    assert {name for one in FAULTS for name in one.fails | one.warns | one.stops} <= ids


def test_who_misbehaves_fails_the_command_and_is_told_why(
    shop: tuple[Layer, Offers], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    layer, _ = shop
    layer.spoil(next(one for one in FAULTS if one.fails == {"lease.echo.tag"}))
    feed = tmp_path / "availability.json"
    feed.write_text(json.dumps({"service_availability": [{"availability": [_entry()]}]}), "utf-8")
    words = ("verify", layer.address, "--api", "v2", "--availability", str(feed), "--only", "lease.echo")
    outcome = run_command(capsys, *words)
    assert outcome.code == 1
    assert "FAIL lease.echo.tag: the tag comes back as it was sent" in outcome.out
    assert "1 required cases did not pass: lease.echo.tag." in outcome.out


def _entry() -> dict[str, object]:
    """The first merchant's, which no fault has for itself."""
    start_sec = int(TOMORROW.timestamp()) + 7 * 3600
    return {
        "merchant_id": GYM,
        "service_id": YOGA,
        "start_sec": start_sec,
        "duration_sec": 3600,
        "spots_total": 12,
        "spots_open": 12,
        "availability_tag": f"{YOGA}-{start_sec}",
    }


def _is_in(case_id: str, name: str) -> bool:
    return f"{case_id}.".startswith(f"{name}.")


def _tried(address: str, offers: tuple[list[Offer], list[Offer]], fault: Fault) -> Done:
    dial, dialing = CALLERS[Version.V2], Dialing(address, timeout_s=5.0)
    left, absent, calls = Left(requests_max=2000), set[str](), list[Answer[object]]()
    caller = dial(dialing)
    asking = Asking(caller, calls.append, left)
    around = Surroundings(
        dial=dial,
        dialing=dialing,
        slots=Slots(offers[0], _now_us(), lambda slot: count_of(asking, slot, absent)),
        offers=offers[0],
        full=offers[1],
        left=left,
        seed=fault.name,
        now_us=_now_us,
        pause=time.sleep,
        options=Options(),
        calls=calls,
        absent=absent,
    )
    try:
        only = frozenset[str]() if os.environ.get(WHOLE) else fault.groups | CORE
        return run(every_case(), around, caller, Choice(only=only, wait=fault.waits), Silent())
    finally:
        caller.close()


def _now_us() -> int:
    return time.time_ns() // 1000  # noqa: TID251 - the real server's clock is the real one
