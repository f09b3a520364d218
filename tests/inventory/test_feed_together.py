"""What only all files together can tell: shards of one feed, nothing twice, no slot without its service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slotlease.inventory.feed import FeedRefused, Known
from tests.inventory.feed_folder import GENERATED_S, MERCHANT, SERVICE, SLOT, START_S, FeedFolder, metadata, read_whole

IN_SLOTS = "service_availability[0].availability"


@pytest.fixture
def shop(tmp_path: Path) -> FeedFolder:
    return FeedFolder(tmp_path)


def test_identical_slots_are_refused_naming_both_places(shop: FeedFolder) -> None:
    (error,) = shop.slot_refusal(SLOT, SLOT | {"start_sec": START_S + 1}, SLOT | {"availability_tag": "b"})
    assert error.place == f"{IN_SLOTS}[2]"
    assert error.value == f'{{"service_id": "s1", "start_sec": {START_S}}}'
    assert f"is the same slot as {IN_SLOTS}[0]: " in error.problem


def test_identical_slots_in_two_shards_are_refused_naming_both_files(shop: FeedFolder) -> None:
    first = shop.availability(SLOT, name="a.json", shard=0, shards=2, nonce="n")
    second = shop.availability(SLOT, name="b.json", shard=1, shards=2, nonce="n")
    (error,) = shop.refusal(shop.merchants(), shop.services(), first, second)
    assert error.file == str(second)
    assert f"is the same slot as {IN_SLOTS}[0] of {first}: " in error.problem


def test_faulty_slots_are_not_taken_for_the_same(shop: FeedFolder) -> None:
    errors = shop.slot_refusal(SLOT | {"start_sec": "soon"}, SLOT | {"start_sec": "later"})
    assert [error.place for error in errors] == [f"{IN_SLOTS}[0].start_sec", f"{IN_SLOTS}[1].start_sec"]


def test_merchant_and_service_given_twice_are_refused_naming_both_places(shop: FeedFolder) -> None:
    merchants, services = shop.merchants(MERCHANT, MERCHANT), shop.services(SERVICE, SERVICE)
    merchant_error, service_error = shop.refusal(merchants, services)
    assert (merchant_error.place, merchant_error.value) == ("merchant[1].merchant_id", '"m1"')
    assert "already, at merchant[0]; " in merchant_error.problem
    assert (service_error.place, service_error.value) == ("service[1].service_id", '"s1"')
    assert "already, at service[0]; " in service_error.problem


def test_slot_of_a_merchant_nobody_knows_is_refused(shop: FeedFolder) -> None:
    stray = SLOT | {"merchant_id": "m2"}
    (error,) = shop.slot_refusal(SLOT, stray, stray | {"start_sec": START_S + 60})
    assert (error.place, error.value) == (f"{IN_SLOTS}[1].merchant_id", '"m2"')
    assert "is a merchant that the merchants feed given does not list; add it there" in error.problem
    assert error.problem.endswith("(2 slots name it)")


def test_slot_of_a_service_nobody_knows_is_refused(shop: FeedFolder) -> None:
    (error,) = shop.slot_refusal(SLOT | {"service_id": "s2"}, SLOT)
    assert (error.place, error.value) == (f"{IN_SLOTS}[0].service_id", '"s2"')
    assert "is a service that the services feed given does not list; add it there" in error.problem


def test_slot_of_a_service_that_only_the_ledger_has_is_refused_beside_a_services_feed(shop: FeedFolder) -> None:
    """The services feed is complete, so this import would retire the service, and its slots with it."""
    known = Known(frozenset({"m1"}), frozenset({("m1", "s1"), ("m1", "s2")}))
    path = shop.availability(SLOT, SLOT | {"service_id": "s2"})
    (error,) = shop.refusal(shop.services(), path, known=known)
    assert (error.place, error.value) == (f"{IN_SLOTS}[1].service_id", '"s2"')


def test_slot_of_a_merchant_not_on_the_ledger_is_refused_without_a_merchants_feed(shop: FeedFolder) -> None:
    (error,) = shop.refusal(shop.availability())
    assert error.problem.startswith("is no merchant on the ledger; import its merchants feed with this one")


def test_service_of_a_merchant_nobody_knows_is_refused(shop: FeedFolder) -> None:
    (error,) = shop.refusal(shop.services())
    assert (error.place, error.value) == ("service[0].merchant_id", '"m1"')


def test_slot_of_a_service_already_on_the_ledger_is_taken(shop: FeedFolder) -> None:
    feed = read_whole([shop.availability()], known=Known(frozenset({"m1"}), frozenset({("m1", "s1")})))
    assert [slot.service_id for slot in feed.slots["m1"]] == ["s1"]


def test_service_of_a_merchant_already_on_the_ledger_is_taken(shop: FeedFolder) -> None:
    feed = read_whole([shop.services(), shop.availability()], known=Known(frozenset({"m1"})))
    assert len(feed.services) == len(feed.slots["m1"]) == 1


def test_unreadable_merchants_feed_does_not_make_every_slot_a_stray(shop: FeedFolder) -> None:
    broken = shop.write("merchants.json", '{"merchant": [')
    (error,) = shop.refusal(broken, shop.services(), shop.availability())
    assert error.file == str(broken)


def two_shards(shop: FeedFolder, first: dict[str, Any], second: dict[str, Any]) -> tuple[Path, Path]:
    late = SLOT | {"start_sec": START_S + 60}
    return shop.availability(SLOT, name="a.json", **first), shop.availability(late, name="b.json", **second)


def test_shards_of_one_feed_are_one_feed(shop: FeedFolder) -> None:
    shards = two_shards(shop, {"shard": 1, "shards": 2, "nonce": "n"}, {"shard": 0, "shards": 2, "nonce": "n"})
    feed = read_whole([shop.merchants(), shop.services(), *shards])
    assert len(feed.slots["m1"]) == 2


@pytest.mark.parametrize(
    ("second", "key", "value", "problem"),
    [
        ({"shard": 1, "shards": 3, "nonce": "n"}, "total_shards", "3", "differs from that of {first}, 2;"),
        ({"shard": 1, "shards": 2, "nonce": "o"}, "nonce", '"o"', 'differs from that of {first}, "n";'),
        (
            {"shard": 1, "shards": 2, "nonce": "n", "generated_s": GENERATED_S + 1},
            "generation_timestamp",
            str(GENERATED_S + 1),
            f"differs from that of {{first}}, {GENERATED_S};",
        ),
        ({"shard": 0, "shards": 2, "nonce": "n"}, "shard_number", "0", "is the shard that {first} holds already"),
        ({"shard": 2, "shards": 2, "nonce": "n"}, "shard_number", "2", "must be below total_shards, 2"),
        ({"shard": 1, "shards": 2, "nonce": ""}, "nonce", '""', "is required in a feed of several shards"),
    ],
)
def test_shard_that_does_not_fit_the_first_is_refused(
    shop: FeedFolder, second: dict[str, Any], key: str, value: str, problem: str
) -> None:
    first_path, second_path = two_shards(shop, {"shard": 0, "shards": 2, "nonce": "n"}, second)
    errors = shop.refusal(shop.merchants(), shop.services(), first_path, second_path)
    (error,) = [error for error in errors if error.file == str(second_path)]
    assert (error.place, error.value) == (f"metadata.{key}", value)
    assert problem.format(first=first_path) in error.problem


def test_missing_shards_are_named(shop: FeedFolder) -> None:
    path = shop.availability(shard=1, shards=4, nonce=5)
    (error,) = shop.refusal(shop.merchants(), shop.services(), path)
    assert (error.file, error.place, error.value) == (str(path), "metadata.total_shards", "4")
    assert error.problem.endswith("give these too: 0, 2, 3")


def test_one_file_given_twice_is_refused_once_and_not_for_each_of_its_slots(shop: FeedFolder) -> None:
    path = shop.availability()
    (error,) = shop.refusal(shop.merchants(), shop.services(), path, path)
    assert error.place == "metadata.shard_number"


def test_every_error_of_every_file_is_told_at_once_in_the_order_of_the_files(shop: FeedFolder) -> None:
    files = (
        shop.availability(SLOT | {"spots_open": 99, "duration_sec": -1}, SLOT | {"prepayment": {"price_info": {}}}),
        shop.write("broken.json", "{"),
        shop.merchants(MERCHANT | {"name": 1, "surprise": 2}),
    )
    errors = shop.refusal(*files)
    assert [(Path(error.file).name, error.place) for error in errors] == [
        ("slots.json", f"{IN_SLOTS}[0].spots_open"),
        ("slots.json", f"{IN_SLOTS}[0].duration_sec"),
        ("slots.json", f"{IN_SLOTS}[1].prepayment"),
        ("broken.json", ""),
        ("merchants.json", "merchant[0].surprise"),
        ("merchants.json", "merchant[0].name"),
    ]


def test_refusal_reads_as_a_list_and_says_how_many_more_there_are(shop: FeedFolder) -> None:
    path = shop.availability(*[SLOT | {"start_sec": -number} for number in range(1, 31)])
    with pytest.raises(FeedRefused) as refused:
        read_whole([shop.merchants(), shop.services(), path])
    first, second, *_, last = str(refused.value).splitlines()
    assert first == "the feeds were refused, nothing was changed; errors: 30"
    assert second == (
        f"  {path}: {IN_SLOTS}[0].start_sec: must be from 1 to 253,402,300,799 Unix seconds (the years 1970 to 9999); "
        "correct it (found: -1)"
    )
    assert last == "  and 10 more; correct these first, then import again"
    assert len(refused.value.errors) == 30


def test_short_refusal_ends_with_its_last_error(shop: FeedFolder) -> None:
    with pytest.raises(FeedRefused, match=r"errors: 1\n[^\n]+cannot be read[^\n]+$"):
        read_whole([shop.folder / "nowhere.json"])


def test_shard_without_its_number_is_the_first_as_proto3_leaves_out_zero(shop: FeedFolder) -> None:
    meta = metadata(shards=1)
    del meta["shard_number"], meta["total_shards"], meta["nonce"]
    feed = read_whole([shop.write("merchants.json", {"metadata": meta, "merchant": [MERCHANT]})])
    assert len(feed.merchants) == 1
