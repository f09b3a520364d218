"""Version 3 asks for a password once there is one to ask for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from slotlease.domain.credential import Credential, hashed
from slotlease.wire.doorkeeper import FRESH_S, Doorkeeper
from tests.proofs.ledger_file import scratch_folder
from tests.rest.serving import RestClient, serving_rest
from tests.support import DAY_US, NOON_US, Shop, open_shop
from tests.wire.conftest import Served, serving

BODY = json.dumps({"user_id": "nobody"}).encode()
LET_IN, SENT_AWAY = 404, 401


class Clock:
    """The server's monotonic clock: what it knows is fresh until this is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(clock: Clock) -> Iterator[tuple[Served, RestClient]]:
    with scratch_folder() as folder:
        shop = open_shop(folder)
        with serving(shop) as served, serving_rest(served, clock_s=clock) as rest:
            yield served, rest
        shop.store.close()


def add(shop: Shop, name: str, password: str, *, from_us: int = NOON_US, days: float = 180) -> None:
    made = hashed(shop.store.fingerprint_key, name, password)
    assert shop.store.add_credential(Credential(name, made, from_us, from_us + round(days * DAY_US)))


def code(rest: RestClient, *given: str) -> int:
    if given:
        return rest.http.post("/v3/ListBookings", content=BODY, auth=(given[0], given[1])).status_code
    return rest.send("ListBookings", BODY).status_code


def test_password_is_asked_for_once_there_is_one_and_taken_within_seconds(
    door: tuple[Served, RestClient], clock: Clock
) -> None:
    served, rest = door
    assert code(rest) == LET_IN
    add(served.shop, "google", "right")
    clock.now_s += FRESH_S
    assert (code(rest), code(rest, "google", "wrong"), code(rest, "goggle", "right")) == (SENT_AWAY,) * 3
    assert code(rest, "google", "right") == LET_IN
    told = rest.send("ListBookings", BODY)
    assert told.headers["www-authenticate"].startswith("Basic ")
    assert told.json()["error"]["status"] == "UNAUTHENTICATED"
    assert rest.http.get("/v3/HealthCheck").status_code == 200


def test_old_and_new_work_together_until_the_old_is_revoked(door: tuple[Served, RestClient], clock: Clock) -> None:
    served, rest = door
    add(served.shop, "old", "1")
    add(served.shop, "new", "2")
    clock.now_s += FRESH_S
    assert (code(rest, "old", "1"), code(rest, "new", "2")) == (LET_IN, LET_IN)
    assert served.shop.store.revoke_credential("old")
    clock.now_s += FRESH_S
    assert (code(rest, "old", "1"), code(rest, "new", "2")) == (SENT_AWAY, LET_IN)


def test_password_that_has_run_out_lets_nobody_in_and_does_not_open_the_door(
    door: tuple[Served, RestClient], clock: Clock
) -> None:
    served, rest = door
    add(served.shop, "early", "1", days=1)
    add(served.shop, "late", "2", from_us=NOON_US + DAY_US)
    clock.now_s += FRESH_S
    assert (code(rest, "early", "1"), code(rest, "late", "2")) == (LET_IN, SENT_AWAY)
    served.shop.clock.now_us = NOON_US + DAY_US
    assert (code(rest, "early", "1"), code(rest, "late", "2")) == (SENT_AWAY, LET_IN)
    served.shop.clock.now_us = NOON_US + 200 * DAY_US
    assert (code(rest, "late", "2"), code(rest)) == (SENT_AWAY, SENT_AWAY)


@pytest.mark.parametrize("header", ["", "Basic", "Basic %%%", "Bearer abc", "Basic " + "YQ==", "basic /w=="])
def test_header_that_is_no_password_is_401(door: tuple[Served, RestClient], clock: Clock, header: str) -> None:
    served, rest = door
    add(served.shop, "google", "right")
    clock.now_s += FRESH_S
    assert rest.send("ListBookings", BODY, {"Authorization": header}).status_code == SENT_AWAY


def test_operator_is_warned_once_at_30_14_and_7_days(door: tuple[Served, RestClient]) -> None:
    shop = door[0].shop
    add(shop, "google", "right", days=40)
    with capture_logs() as logs:
        keeper = Doorkeeper(shop.store, shop.clock)
        for days in (0, 9.9, 10, 11, 26, 27, 33, 39, 41):
            shop.clock.now_us = NOON_US + round(days * DAY_US)
            keeper._warn()  # noqa: SLF001 - what each reading of the credentials does
    assert [log["days_left"] for log in logs if log["event"] == "credentials run out"] == [30.0, 14.0, 7.0]
    assert keeper.days_left() == -1
    assert logging.getLevelName(logging.WARNING).lower() == logs[0]["log_level"]


def test_port_for_others_lets_nobody_in_without_a_password_also_once_the_last_is_revoked(clock: Clock) -> None:
    with scratch_folder() as folder:
        shop = open_shop(folder)
        add(shop, "a", "1")
        with serving(shop) as served, serving_rest(served, clock_s=clock, open_without=False) as rest:
            assert code(rest, "a", "1") == LET_IN
            shop.store.revoke_credential("a")
            clock.now_s += FRESH_S
            assert code(rest, "a", "1") == SENT_AWAY
            assert code(rest) == SENT_AWAY
            assert Doorkeeper(shop.store, shop.clock, open_without=False).days_left() == 0
        shop.store.close()


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
def test_caller_whom_a_proxy_brings_is_not_taken_for_one_of_this_machine(served: Served, header: str) -> None:
    """Loopback alone vouches for nobody who came through a proxy, unless somebody said that the proxy does."""
    headers = {header: "203.0.113.7"}
    with serving_rest(served) as rest:
        assert rest.send("ListBookings", BODY).status_code == LET_IN
        assert rest.send("ListBookings", BODY, headers).status_code == SENT_AWAY
    with serving_rest(served, open_to_forwarded=True) as rest:
        assert rest.send("ListBookings", BODY, headers).status_code == LET_IN


def test_password_counts_and_nothing_that_a_proxy_says(door: tuple[Served, RestClient], clock: Clock) -> None:
    served, rest = door
    add(served.shop, "google", "right")
    clock.now_s += FRESH_S
    for said in ({}, {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}, {"X-Forwarded-Proto": "http"}):
        assert rest.http.post("/v3/ListBookings", content=BODY, headers=said).status_code == SENT_AWAY
        answer = rest.http.post("/v3/ListBookings", content=BODY, headers=said, auth=("google", "right"))
        assert answer.status_code == LET_IN
