"""The input matrix in JSON: what is no such request is 400 with the field named, and nothing is written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.proofs.ledger_file import scratch_folder
from tests.rest import asking_v3 as asking
from tests.rest.serving import Json, RestClient, serving_rest
from tests.support import Offered, open_shop
from tests.wire.conftest import serving
from tests.wire.ledger_rows import LedgerRows

SLOT = asking.slot(Offered().asked())


@pytest.fixture(scope="module")
def watched() -> Iterator[tuple[RestClient, LedgerRows]]:
    with scratch_folder() as folder:
        shop, ledger = open_shop(folder), LedgerRows(folder)
        shop.offer(Offered(spots_total=100))
        with serving(shop) as served, serving_rest(served) as rest:
            yield rest, ledger
        assert shop.incidents == []
        ledger.close()
        shop.store.close()


@pytest.fixture
def rest(watched: tuple[RestClient, LedgerRows]) -> Iterator[RestClient]:
    rest, ledger = watched
    before = ledger.state()
    yield rest
    assert ledger.state() == before, "a request that is wrong wrote something"


def check(**wrong: Any) -> Json:
    return {"slot": {**SLOT, **wrong}}


def spelt(**wrong: str) -> bytes:
    """With values in JSON's own spelling."""
    text = json.dumps(check(**dict.fromkeys(wrong, "@")))
    for value in wrong.values():
        text = text.replace('"@"', value, 1)
    return text.encode()


# --- bytes that are no request ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"   ", id="blanks"),
        pytest.param(b"{", id="half an object"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{} {}", id="two objects"),
        pytest.param(b"{'slot': 1}", id="single quotes"),
        pytest.param(b'{"slot": {}, "slot": {}}', id="one key twice"),
        pytest.param(b'{"slot": {"merchant_id": "a", "merchant_id": "b"}}', id="one key twice, deeper"),
        pytest.param(b'{"x": NaN}', id="NaN"),
        pytest.param(b'{"x": -Infinity}', id="Infinity"),
        pytest.param(b'{"x": "\xff"}', id="bad UTF-8"),
        pytest.param("\ufeff{}".encode(), id="a byte order mark"),
        pytest.param("{}".encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"x":' * 100_000 + b"1" + b"}" * 100_000, id="nested a hundred thousand deep"),
        pytest.param(b'{"x": "' + b"a" * 300_000 + b'"}', id="over 256 KiB"),
        pytest.param(gzip.compress(json.dumps(check()).encode()), id="compressed and not said"),
        pytest.param(b'{"x": ' + b"9" * 200_000 + b"}", id="a number of 200,000 digits"),
    ],
)
def test_body_that_is_no_json_object_is_400(rest: RestClient, body: bytes) -> None:
    response = rest.send("CheckAvailability", body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Encoding": "gzip"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
def test_body_of_another_kind_is_400(rest: RestClient, headers: dict[str, str]) -> None:
    response = rest.send("CheckAvailability", json.dumps(check()).encode(), headers)
    assert response.status_code == 400
    assert "body" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']
)
def test_json_is_json_however_it_is_spelt(rest: RestClient, kind: str) -> None:
    assert rest.send("CheckAvailability", json.dumps(check()).encode(), {"Content-Type": kind}).status_code == 200


# --- fields that hold what they cannot -----------------------------------------------------------------------------


def test_half_a_character_is_passed_over_where_nobody_reads_it_and_400_where_a_text_is(rest: RestClient) -> None:
    unknown = {**check(), "\ud800": "\ud800"}
    assert rest.ask("CheckAvailability", unknown) == {"slot": SLOT, "count_available": 100}
    for texts in ({"\ud800": "a"}, {"a": "\ud800"}):
        payment = {"tokenization_config": {"tokenization_parameter": texts}}
        request = {**asking.booking(Offered().asked(), "t"), "payment_processing_parameters": payment}
        assert rest.fields("CreateBooking", request) == [
            "payment_processing_parameters.tokenization_config.tokenization_parameter"
        ]


@pytest.mark.parametrize("value", ["1", "true", "[]", "{}", "1.5", '"\\ud800"'])
def test_text_must_be_a_text(rest: RestClient, value: str) -> None:
    response = rest.send("CheckAvailability", spelt(service_id=value))
    told = [one["field"] for one in response.json()["error"]["details"][0]["fieldViolations"]]
    assert (response.status_code, told) == (400, ["slot.service_id"])


@pytest.mark.parametrize(
    "value",
    [
        "true",
        '""',
        '"x"',
        '" 1"',
        '"1.0"',
        '"0x10"',
        "1.5",
        "1e30",
        "9223372036854775808",
        '"9223372036854775808"',
        pytest.param(f'"{"9" * 5_000}"', id="a text of more digits than Python reads"),
        "[]",
    ],
)
def test_whole_number_must_be_one_of_64_bits(rest: RestClient, value: str) -> None:
    response = rest.send("CheckAvailability", spelt(start_sec=value))
    told = [one["field"] for one in response.json()["error"]["details"][0]["fieldViolations"]]
    assert (response.status_code, told) == (400, ["slot.start_sec"])


@pytest.mark.parametrize("value", ["%s", '"%s"', "%s.0", "%se0"])
def test_whole_number_may_be_spelt_in_every_way_of_the_json_mapping(rest: RestClient, value: str) -> None:
    response = rest.send("CheckAvailability", spelt(start_sec=value % SLOT["start_sec"]))
    assert response.status_code == 200, response.text
    assert response.json()["slot"]["start_sec"] == SLOT["start_sec"]


def test_unknown_name_of_an_enum_is_400_though_unknown_fields_are_not(rest: RestClient) -> None:
    assert rest.fields("CheckAvailability", check(confirmation_mode="SOMETIMES")) == ["slot.confirmation_mode"]
    assert rest.fields("CheckAvailability", check(confirmation_mode=[1])) == ["slot.confirmation_mode"]
    answer = rest.ask("CheckAvailability", {**check(colour="red", resources=None), "confirmation_mode": "SOMETIMES"})
    assert answer == {"slot": SLOT, "count_available": 100}


@pytest.mark.parametrize("mode", ["CONFIRMATION_MODE_SYNCHRONOUS", 1])
def test_enum_is_known_by_name_and_by_number(rest: RestClient, mode: object) -> None:
    slot = rest.ask("CheckAvailability", check(confirmation_mode=mode))["slot"]
    assert slot["confirmation_mode"] == "CONFIRMATION_MODE_SYNCHRONOUS"


def test_message_and_list_must_be_what_they_are(rest: RestClient) -> None:
    assert rest.fields("CheckAvailability", {"slot": "ten o'clock"}) == ["slot"]
    assert rest.fields("CheckAvailability", check(resources=[])) == ["slot.resources"]
    assert rest.fields("BatchAvailabilityLookup", {"merchant_id": "m1", "slot_time": {}}) == ["slot_time"]
    entries = [{"service_id": "cut", "start_sec": "1"}, {"service_id": 7, "start_sec": "1"}, 3]
    told = rest.fields("BatchAvailabilityLookup", {"merchant_id": "m1", "slot_time": entries})
    assert told == ["slot_time[1].service_id", "slot_time[2]"]


def test_names_may_be_in_camel_case_and_not_in_both(rest: RestClient) -> None:
    camel = {"merchantId": "m1", "serviceId": "cut", "startSec": SLOT["start_sec"], "durationSec": 3600}
    assert rest.ask("CheckAvailability", {"slot": camel}) == {"slot": SLOT, "count_available": 100}
    assert rest.fields("CheckAvailability", check(startSec=SLOT["start_sec"])) == ["slot.start_sec"]


def test_of_one_or_the_other_not_both_may_be_given(rest: RestClient) -> None:
    payment = {"payment_option_id": "pack", "user_payment_option_id": "mine"}
    request = {**asking.booking(Offered().asked(), "t"), "payment_information": payment}
    assert rest.fields("CreateBooking", request) == ["payment_information.user_payment_option_id"]


def test_answer_quotes_nothing_of_a_request_that_is_wrong(rest: RestClient) -> None:
    for wrong in ({"service_id": 7, "canary": "ada"}, {"confirmation_mode": "canary"}, {"start_sec": "canary"}):
        response = rest.send("CheckAvailability", json.dumps(check(**wrong)).encode())
        assert response.status_code == 400
        assert "canary" not in response.text
        assert "ada" not in response.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start_sec", "0"),
        ("start_sec", "-1"),
        ("start_sec", "253402300800"),
        ("duration_sec", "0"),
        ("duration_sec", "2678401"),
        ("merchant_id", ""),
        ("service_id", "x" * 256),
        ("service_id", "a\x00b"),
        ("availability_tag", "a\nb"),
    ],
)
def test_value_past_its_limit_is_400(rest: RestClient, field: str, value: str) -> None:
    assert f"slot.{field}" in rest.fields("CheckAvailability", check(**{field: value}))


def test_slot_that_ends_after_the_year_9999_is_400(rest: RestClient) -> None:
    assert rest.fields("CheckAvailability", check(start_sec="253402300799")) == ["slot.duration_sec"]
