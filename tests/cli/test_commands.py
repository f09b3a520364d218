"""The commands on a real ledger, without a server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from slotlease import __version__
from slotlease.config import Settings, flag_of, text_of
from slotlease.domain.slot import SECOND_US, AskedSlot
from slotlease.inventory.example import ANNA, CHAIRS, CUT, GYM, SALON, YOGA
from slotlease.store.clock import system_clock
from slotlease.store.open import open_store
from tests.cli.running import TOMORROW, run, run_process
from tests.support import HOUR_US, HandClock, Shop, booked, user

AT_7 = TOMORROW.replace(hour=7)
YOGA_AT_7 = ("--merchant", GYM, "--service", YOGA, "--start", AT_7.isoformat(), "--duration", "1h")
YOGA_SLOT = AskedSlot(GYM, YOGA, int(AT_7.timestamp()) * SECOND_US, HOUR_US)

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def shop(ledger: str) -> Shop:
    """A desk on the ledger that lives an hour ago: its leases of ten minutes have lapsed by now."""
    clock = HandClock(system_clock() - HOUR_US)
    return Shop(open_store(ledger, clock), clock)


# --- misuse and missing things -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("serve",),
        ("lease", "list"),
        ("lease", "show", "l1-1-0"),
        ("lease", "release", "l1-1-0"),
        ("lease", "create", *YOGA_AT_7),
        ("booking", "list"),
        ("booking", "show", "b1-1-0"),
        ("doctor",),
    ],
)
def test_a_ledger_that_is_not_there_is_refused_and_not_made(words: tuple[str, ...], capsys: Capsys) -> None:
    outcome = run(capsys, *words, "--store", "sqlite:///typo.db")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("slotlease: there is no ledger at typo.db: check the path, or make one with")
    assert not list(Path().glob("typo.db*"))


@pytest.mark.parametrize(
    "words",
    [
        ("leese",),
        ("lease", "show"),
        ("lease", "create", "--merchant", "m"),
        ("lease", "list", "--limit", "0"),
        ("lease", "create", *YOGA_AT_7, "--start", "tomorrow"),
        ("lease", "create", *YOGA_AT_7, "--start", "2026-01-31T12:00"),
        ("lease", "create", *YOGA_AT_7, "--duration", "long"),
        ("lease", "create", *YOGA_AT_7, "--duration", "0"),
        ("lease", "create", *YOGA_AT_7, "--reference", "two\nlines"),
        ("inventory", "import"),
    ],
)
def test_a_command_misused_ends_with_2(words: tuple[str, ...], ledger: str, capsys: Capsys) -> None:
    store = ("--store", ledger) if len(words) > 1 and words[0] == "lease" else ()
    outcome = run(capsys, *words, *store)
    assert outcome.code == 2
    assert "Error" in outcome.err


def test_an_address_that_is_no_store_is_refused(capsys: Capsys) -> None:
    outcome = run(capsys, "doctor", "--store", "ledger.db")
    assert outcome.code == 1
    assert "cannot open the store 'ledger.db': expected sqlite:///PATH" in outcome.err


def test_the_program_says_its_version(capsys: Capsys) -> None:
    assert run(capsys, "--version").out == f"slotlease {__version__}\n"


# --- settings ----------------------------------------------------------------------------------------------------


def test_config_tells_each_setting_its_value_and_its_origin(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("slotlease.toml").write_text('lease_min = "2m"\n', encoding="utf-8")
    monkeypatch.setenv("SLOTLEASE_GRACE", "5s")
    monkeypatch.setenv("SLOTLEASE_GRASE", "6s")
    outcome = run(capsys, "config", "--store", "sqlite:///a.db", "--json")
    told = {row["setting"]: (row["value"], row["from"]) for row in outcome.json}
    assert list(told) == list(Settings.model_fields)
    assert told["lease_min"] == ("2m", "slotlease.toml")
    assert told["grace"] == ("5s", "SLOTLEASE_GRACE")
    assert told["store"] == ("sqlite:///a.db", "--store")
    assert told["leases"] == ("on", "default")
    assert "SLOTLEASE_GRASE is in the environment and names no setting" in outcome.err
    assert "lease_min" in run(capsys, "config").out


def test_wrong_settings_are_told_without_a_traceback(capsys: Capsys) -> None:
    outcome = run(capsys, "serve", "--lease-min", "soon", "--grpc", "here")
    assert outcome.code == 1
    assert "lease_min = soon (from --lease-min)" in outcome.err
    assert "grpc = here (from --grpc)" in outcome.err
    assert "Traceback" not in outcome.err


def test_serve_has_a_flag_for_every_setting_and_tells_its_default(capsys: Capsys) -> None:
    told = " ".join(run(capsys, "serve", "--help").out.split()).partition("Options:")[2]
    for name, field in Settings.model_fields.items():
        if name in {"store", "spots_total_max"}:
            continue  # every command's; the import's, and for the settings file
        found, _, rest = told.partition(f"{flag_of(name)} ")
        # Where a setting has no value until it is given one, the flag says what happens without.
        default = text_of(field.default)
        assert (f"[default: ({default})]" if default else "[default: (") in rest.partition(" --")[0], (found, name)


# --- leases ------------------------------------------------------------------------------------------------------


def test_an_operator_holds_a_spot_sees_it_and_gives_it_back(ledger: str, capsys: Capsys) -> None:
    made = run(capsys, "lease", "create", *YOGA_AT_7, "--for", "5m", "--store", ledger, "--json").json
    assert made["state"] == "ACTIVE"
    assert 298 <= made["left_s"] <= 300
    lease_id = made["lease_id"]
    assert [row["lease_id"] for row in run(capsys, "lease", "list", "--live", "--store", ledger, "--json").json] == [
        lease_id
    ]
    assert lease_id in run(capsys, "lease", "list", "--store", ledger).out
    shown = run(capsys, "lease", "show", lease_id, "--store", ledger).out
    assert f"merchant          {GYM}" in shown
    assert f"start             {AT_7.strftime('%Y-%m-%dT%H:%M:%SZ')}" in shown
    assert run(capsys, "lease", "release", lease_id, "--store", ledger, "--yes", "--json").json["state"] == "RELEASED"
    assert run(capsys, "lease", "list", "--live", "--store", ledger).out == "No live leases.\n"
    assert run(capsys, "lease", "release", lease_id, "--store", ledger, "--yes").code == 0, "it has ended already"


def test_the_lease_of_a_reference_is_given_again(ledger: str, capsys: Capsys) -> None:
    words = ("lease", "create", *YOGA_AT_7, "--reference", "till 1", "--store", ledger, "--json")
    assert run(capsys, *words).json["lease_id"] == run(capsys, *words).json["lease_id"]


def test_a_slot_is_named_by_its_staff_and_room_too(ledger: str, capsys: Capsys) -> None:
    cut = ("--merchant", SALON, "--service", CUT, "--start", TOMORROW.replace(hour=9).isoformat(), "--duration", "30m")
    unnamed = run(capsys, "lease", "create", *cut, "--store", ledger, "--json")
    assert unnamed.code == 1
    assert unnamed.json["refusal"]["reason"] == "SLOT_UNKNOWN"
    assert "refused, SLOT_UNKNOWN: slot.start_time: the service has no slot with this start" in unnamed.err
    named = run(capsys, "lease", "create", *cut, "--staff", ANNA, "--room", CHAIRS[ANNA], "--store", ledger, "--json")
    assert (named.json["staff"], named.json["room"]) == (ANNA, CHAIRS[ANNA])
    taken = run(capsys, "lease", "create", *cut, "--staff", ANNA, "--room", CHAIRS[ANNA], "--store", ledger)
    assert taken.code == 1
    assert taken.err == "slotlease: refused, SLOT_UNAVAILABLE: no spot of the slot is free\n"


def test_the_operators_lease_keeps_the_limits_of_the_settings(ledger: str, capsys: Capsys) -> None:
    Path("slotlease.toml").write_text('lease_max = "11m"\n', encoding="utf-8")
    made = run(capsys, "lease", "create", *YOGA_AT_7, "--for", "1h", "--store", ledger, "--json").json
    assert 658 <= made["left_s"] <= 660


def test_a_lapsed_lease_is_shown_as_expired_though_nobody_swept(ledger: str, shop: Shop, capsys: Capsys) -> None:
    lapsed = shop.lease(YOGA_SLOT)
    shown = run(capsys, "lease", "show", lapsed.lease_id, "--store", ledger, "--json").json
    assert (shown["state"], shown["state_stored"], shown["left_s"]) == ("EXPIRED", "ACTIVE", None)
    assert shown["age_s"] >= 3600
    assert run(capsys, "lease", "list", "--live", "--store", ledger, "--json").json == []


def test_a_booked_lease_cannot_be_released(ledger: str, shop: Shop, capsys: Capsys) -> None:
    lease = shop.lease(YOGA_SLOT)
    shop.book(YOGA_SLOT, lease_id=lease.lease_id)
    outcome = run(capsys, "lease", "release", lease.lease_id, "--store", ledger)
    assert outcome.code == 1
    assert "was booked" in outcome.err


@pytest.mark.parametrize("lease_id", ["", "nonsense", "l1-1-00000000000000000000000000000000"])
def test_an_unknown_lease_and_a_malformed_id_are_told_alike(lease_id: str, ledger: str, capsys: Capsys) -> None:
    outcome = run(capsys, "lease", "show", lease_id, "--store", ledger)
    assert outcome.code == 1
    assert outcome.err.startswith("slotlease: no lease with this id on sqlite:///")


# --- bookings ----------------------------------------------------------------------------------------------------


def test_only_the_command_that_shows_one_booking_prints_its_customer(ledger: str, shop: Shop, capsys: Capsys) -> None:
    booking = shop.book(YOGA_SLOT)
    listed = run(capsys, "booking", "list", "--store", ledger)
    assert booking.booking_id in listed.out
    listed_json = run(capsys, "booking", "list", "--store", ledger, "--json")
    assert [row["status"] for row in listed_json.json] == ["CONFIRMED"]
    for personal in (booking.user.given_name, booking.user.email, booking.user.telephone, booking.user.user_id):
        assert personal not in listed.out.replace(booking.booking_id, "")
        assert f'"{personal}"' not in listed_json.out
    shown = run(capsys, "booking", "show", booking.booking_id, "--store", ledger, "--json").json
    assert shown["user"]["email"] == booking.user.email
    assert shown["first_answer"]["status"] == "CONFIRMED"
    assert "user.email" in run(capsys, "booking", "show", booking.booking_id, "--store", ledger).out


def test_a_customers_text_cannot_command_the_terminal(ledger: str, shop: Shop, capsys: Capsys) -> None:
    request = replace(
        shop.create_booking(YOGA_SLOT),
        user=replace(user(), given_name="\x9b2J[red]Ada"),
        additional_request="two\nlines",
    )
    booking = booked(shop.ask(request))
    shown = run(capsys, "booking", "show", booking.booking_id, "--store", ledger).out
    assert "\\x9b2J[red]Ada" in shown
    assert "two\\nlines" in shown


def test_an_unknown_booking_is_refused(ledger: str, capsys: Capsys) -> None:
    outcome = run(capsys, "booking", "show", "b1-1-0", "--store", ledger)
    assert outcome.code == 1
    assert "no booking with this id on" in outcome.err


def test_a_ledger_without_bookings_says_so(ledger: str, capsys: Capsys) -> None:
    assert run(capsys, "booking", "list", "--store", ledger).out == "No bookings.\n"
    assert run(capsys, "lease", "list", "--store", ledger).out == "No leases.\n"


# --- doctor ------------------------------------------------------------------------------------------------------


def test_the_doctor_finds_nothing_where_all_is_well(ledger: str, shop: Shop, capsys: Capsys) -> None:
    shop.book(YOGA_SLOT)
    outcome = run(capsys, "doctor", "--store", ledger)
    assert outcome.code == 0
    assert outcome.out.startswith(f"Recounted {ledger} at ")
    assert "Nothing is held twice" in outcome.out
    for rule in shop.store.audit_rules:
        assert f"  ok  {rule}\n" in outcome.out, "what was recounted is what the recount says of itself"
    assert run(capsys, "doctor", "--store", ledger, "--json").json["recounted"] == list(shop.store.audit_rules)


def test_the_doctor_lists_what_is_held_by_nobody_and_ends_with_1(ledger: str, shop: Shop, capsys: Capsys) -> None:
    shop.book(YOGA_SLOT)
    shop.store.close()
    vandal = apsw.Connection(ledger.removeprefix("sqlite:///"))
    vandal.execute("UPDATE booking SET status = 3")
    vandal.close()
    outcome = run(capsys, "doctor", "--store", ledger)
    assert outcome.code == 1
    assert "  1 x  INV-3: every busy spot has a claim\n" in outcome.out
    assert "  ok  INV-1: no more live claims than spots\n" in outcome.out
    assert "keep the file" in outcome.err
    findings = run(capsys, "doctor", "--store", ledger, "--json").json["findings"]
    assert "INV-3: every busy spot has a claim" in {finding["rule"] for finding in findings}


# --- what should never happen ------------------------------------------------------------------------------------


def test_a_mistake_of_ours_is_told_as_an_incident_without_what_it_read(ledger: str, shop: Shop, tmp_path: Path) -> None:
    booking = shop.book(YOGA_SLOT)
    shop.store.close()
    vandal = apsw.Connection(ledger.removeprefix("sqlite:///"))
    vandal.execute("""UPDATE booking SET user = '{"canary": 1, "address": null}'""")
    vandal.close()
    outcome = run_process("booking", "show", booking.booking_id, "--store", ledger, cwd=tmp_path)
    assert (outcome.code, outcome.out) == (1, "")
    assert "slotlease: a mistake of ours, incident " in outcome.err
    assert '"error": "builtins.TypeError"' in outcome.err
    assert "canary" not in outcome.err
    assert "Traceback" not in outcome.err


def test_a_ledger_that_cannot_be_used_now_is_told_without_a_traceback(
    ledger: str, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slotlease.store.sqlite_file.BUSY_STEPS_MAX", 1)
    holder = apsw.Connection(ledger.removeprefix("sqlite:///"))
    holder.execute("BEGIN IMMEDIATE")
    outcome = run(capsys, "lease", "create", *YOGA_AT_7, "--store", ledger)
    holder.close()
    assert outcome.code == 1
    assert outcome.err.startswith("slotlease: the ledger could not be used now (")
