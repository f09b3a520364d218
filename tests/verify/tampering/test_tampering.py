"""`slotlease verify` is proved by breaking: a server that misbehaves in one way fails the cases that name it, and no
other."""

from __future__ import annotations

import base64
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
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
from slotlease.verify.versions import CALLERS, can_name
from tests.cli.running import TOMORROW
from tests.cli.running import run as run_command
from tests.verify.judging import USER, judged
from tests.verify.tampering.fault import Call, Fault, Refused
from tests.verify.tampering.faults import FAULTS
from tests.verify.tampering.layer import Layer, tampering
from tests.verify.tampering.layer_http import tampering_http

KINDS = 3
"""Of merchants in the example. Each fault has one of each kind to itself: no lease of another is in its way."""

DAYS = 2
"""Enough for what is run for a fault, which is never everything."""

CORE = frozenset(
    {"availability.check.echo", "lease.echo", "booking.made", "booking.token.same", "booking.cancel"}
    | {f"robustness.{name}" for name in ("no-unknown", "causes", "one-thing", "no-insides", "in-time")}
)
"""What is run for each fault beside the groups that it is about."""

OPTIONS = Options(qps=200, racers=8)


@dataclass(frozen=True)
class Shop:
    """`layers` by version; `offers` by the number in the merchants' names, open ones and full ones."""

    layers: Mapping[Version, Layer]
    offers: Mapping[str, tuple[list[Offer], list[Offer]]]
    password: str


class Silent:
    def began(self, case: Case) -> None:
        pass

    def ended(self, result: object) -> None:
        pass

    def waits(self, seconds: float, cases: int) -> None:
        pass


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with ExitStack() as stack:
        merchants = KINDS * (len(FAULTS) + 1)
        judging = judged(
            tmp_path_factory.mktemp("judged"), "--rest", "127.0.0.1:0", merchants=merchants, days=DAYS, lasts_s=900
        )
        server = stack.enter_context(judging)
        grpc_layer = stack.enter_context(tampering(server.address))
        authorization = f"Basic {base64.b64encode(f'{USER}:{server.password}'.encode()).decode()}"
        http_layer = stack.enter_context(tampering_http(server.rest, authorization))
        offers: defaultdict[str, tuple[list[Offer], list[Offer]]] = defaultdict(lambda: ([], []))
        for place, some in enumerate(read_offers(server.feeds, _now_us())):
            for offer in some:
                offers[offer.slot.merchant_id.rpartition("-")[2]][place].append(offer)
        layers = {Version.V0: grpc_layer, Version.V2: grpc_layer, Version.V3: http_layer}
        yield Shop(layers, offers, server.password)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(FAULTS)), ids=lambda number: FAULTS[number].name)
def test_a_fault_fails_the_cases_that_name_it_and_no_other(
    shop: Shop, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = FAULTS[number]
    monkeypatch.setattr("slotlease.verify.cases_lease_ends.WISH_S", 2)
    shop.layers[fault.version].spoil(fault)
    done = _tried(shop, fault, str(number + 2))
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


def _has_no_check(call: Call) -> Any:
    raise Refused(grpc.StatusCode.NOT_FOUND, f"no {call.method}")


@pytest.mark.slow
def test_a_server_of_version_3_that_has_the_lookup_alone_is_judged_by_it(shop: Shop) -> None:
    """As Google asks of new partners."""
    none = frozenset[str]()
    beside = frozenset({"connection", "availability", "booking"})
    fault = Fault(_has_no_check, False, Version.V3, 5.0, frozenset({"CheckAvailability"}), none, none, none, beside)
    shop.layers[Version.V3].spoil(fault)
    outcomes = {one.case.id: (one.outcome, one.findings, one.why) for one in _tried(shop, fault, "1").results}
    expected = {Outcome.PASS, Outcome.SKIPPED}
    assert {name: told for name, told in outcomes.items() if told[0] not in expected} == {}
    passed = {name for name, told in outcomes.items() if told[0] is Outcome.PASS}
    assert {"availability.offered", "availability.batch.order", "connection.password.wrong"} <= passed
    assert {
        "booking.full",
        "booking.fill",
        "booking.takes-spot",
        "booking.move.spots",
        "booking.cancel.frees",
    } <= passed
    assert outcomes["availability.check.echo"][0] is Outcome.SKIPPED


def test_a_fault_names_cases_that_there_are() -> None:
    ids = {case.id for case in every_case()}
    ids |= {case.group for case in every_case()}
    assert [one.name for one in FAULTS if not one.fails | one.warns | one.stops] == []
    assert {name for one in FAULTS for name in one.fails | one.warns | one.stops} <= ids


def test_who_misbehaves_fails_the_command_and_is_told_why(
    shop: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    layer = shop.layers[Version.V2]
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


def _tried(shop: Shop, fault: Fault, number: str) -> Done:
    dialing = Dialing(shop.layers[fault.version].address, fault.timeout_s)
    if fault.version is Version.V3:
        dialing = replace(dialing, user=USER, password=shop.password)
    offers, full = ([one for one in some if can_name(fault.version, one.slot)] for some in shop.offers[number])
    dial = CALLERS[fault.version]
    left, absent, calls = Left(requests_max=2000), set[str](), list[Answer[object]]()
    caller = dial(dialing)
    asking = Asking(caller, calls.append, left)
    around = Surroundings(
        dial=dial,
        dialing=dialing,
        slots=Slots(offers, _now_us(), lambda slot: count_of(asking, slot, absent)),
        offers=offers,
        full=full,
        left=left,
        seed=fault.name,
        now_us=_now_us,
        pause=time.sleep,
        options=OPTIONS,
        calls=calls,
        absent=absent,
    )
    try:
        return run(every_case(), around, caller, Choice(only=fault.groups | CORE, wait=fault.waits), Silent())
    finally:
        caller.close()


def _now_us() -> int:
    return time.time_ns() // 1000  # noqa: TID251 - the real server's clock is the real one
