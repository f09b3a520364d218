from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from slotlease.config import (
    ENVIRONMENT_PREFIX,
    GRPCIO_ONLY,
    Settings,
    SettingsRefused,
    duration_of,
    flag_of,
    load_settings,
    text_of,
    unread_variables,
)


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(ENVIRONMENT_PREFIX + name.upper(), raising=False)


def file_with(text: str, name: str = "settings.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_environment_wins_over_the_file_and_a_flag_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_with('lease_min = "2m"\nlease_max = "20m"\nlease_default = "12m"\n')
    monkeypatch.setenv("SLOTLEASE_LEASE_MAX", "30m")
    monkeypatch.setenv("SLOTLEASE_LEASE_DEFAULT", "13m")
    settings = load_settings({"lease_default": "14m", "store": None}, path)
    assert settings.lease_min == timedelta(minutes=2)
    assert settings.lease_max == timedelta(minutes=30)
    assert settings.lease_default == timedelta(minutes=14)
    assert settings.lease_default != load_settings({}, path).lease_default == timedelta(minutes=13)


def test_every_setting_says_where_its_value_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_with('lease_min = "2m"\nleases = false\n')
    monkeypatch.setenv("SLOTLEASE_GRACE", "5s")
    settings = load_settings({"lease_max": "20m"}, path)
    origins = {name: settings.origin(name) for name in Settings.model_fields}
    told = {"lease_min": "settings.toml", "leases": "settings.toml", "grace": "SLOTLEASE_GRACE"}
    assert origins == dict.fromkeys(Settings.model_fields, "default") | told | {"lease_max": "--lease-max"}


def test_a_settings_file_in_the_working_directory_is_read_without_being_named() -> None:
    file_with("batch_max = 7\n", "slotlease.toml")
    assert load_settings({}).batch_max == 7
    assert load_settings({}, file_with("")).batch_max == 256, "another file was named"


def test_all_wrong_settings_are_told_at_once_each_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_with('grpc = "everywhere"\nlease_mim = "1m"\nqueue_max = true\n')
    monkeypatch.setenv("SLOTLEASE_LEASE_MIN", "soon")
    with pytest.raises(SettingsRefused) as refused:
        load_settings({"log_format": "xml", "drain": "-1s"}, path)
    heading, *problems = str(refused.value).splitlines()
    assert heading == "these settings are wrong, nothing was started:"
    assert len(problems) == 6
    told = "\n".join(problems)
    assert "grpc = everywhere (from settings.toml): is no HOST:PORT; write for example 127.0.0.1:50051" in told
    assert "lease_mim (from settings.toml): is no setting; the settings are store, tls_certificate, " in told
    assert "queue_max = on (from settings.toml): is no whole number from 1 to 1,000,000" in told
    assert "lease_min = soon (from SLOTLEASE_LEASE_MIN): is no duration; write a number with its unit" in told
    assert "log_format = xml (from --log-format): must be one of auto, console, json" in told
    assert "drain = -1s (from --drain): is no duration" in told


@pytest.mark.parametrize(
    ("lease_min", "lease_default", "lease_max", "said"),
    [
        ("1s", "1s", "1s", None),
        ("1m", "1m", "15m", None),
        ("1m", "15m", "15m", None),
        ("2m", "1m", "15m", "must lie between lease_min (2m) and lease_max (15m)"),
        ("1m", "16m", "15m", "must lie between lease_min (1m) and lease_max (15m)"),
        ("15m", "10m", "1m", "lease_min (15m) is longer than lease_max (1m)"),
        ("999ms", "10m", "15m", "is too short; at least 1s"),
    ],
)
def test_a_lease_without_a_wish_lies_between_the_shortest_and_the_longest(
    lease_min: str, lease_default: str, lease_max: str, said: str | None
) -> None:
    flags = {"lease_min": lease_min, "lease_default": lease_default, "lease_max": lease_max}
    if said is None:
        assert text_of(load_settings(flags).lease_default) == lease_default
        return
    with pytest.raises(SettingsRefused) as refused:
        load_settings(flags)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        (91, 91),
        (0.5, 0.5),
        ("0", 0),
        ("90s", 90),
        ("250ms", 0.25),
        ("10m", 600),
        ("1.5h", 5400),
        ("1d", 86_400),
        (" 1s ", 1),
        ("366d", 366 * 86_400),
    ],
)
def test_a_duration_is_a_number_with_its_unit_or_plain_seconds(written: object, seconds: float) -> None:
    assert duration_of(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written",
    ["", "m", "10 m", "1m30s", "-1s", "1e3", "٣s", "nan", "inf", True, None, [], "367d", "99999999999999999999s"],
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"is (no duration|too long)"):
        duration_of(written)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "0.0.0.0:65535", "[::1]:50051", "localhost:50051"])
def test_a_host_and_a_port_are_an_address(address: str) -> None:
    assert load_settings({"grpc": address, "insecure": "on"}).grpc == address


@pytest.mark.parametrize("address", ["", ":50051", "50051", "localhost", "localhost:", "localhost:65536", "::1:50051"])
def test_anything_else_is_none(address: str) -> None:
    with pytest.raises(SettingsRefused, match="is no HOST:PORT"):
        load_settings({"grpc": address})


@pytest.mark.parametrize(("word", "on"), [("on", True), ("OFF", False), (True, True), ("false", False)])
def test_a_switch_is_on_or_off(word: object, on: bool) -> None:
    assert load_settings({"leases": word}).leases is on


def test_a_switch_that_is_neither_is_refused() -> None:
    with pytest.raises(SettingsRefused, match="is neither on nor off"):
        load_settings({"leases": "maybe"})


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsRefused, match=r"the settings file gone.toml cannot be read \(No such file"):
        load_settings({}, Path("gone.toml"))


def test_a_file_that_is_no_toml_is_refused_with_the_line() -> None:
    with pytest.raises(SettingsRefused, match=r"settings.toml is no TOML: .*line 1"):
        load_settings({}, file_with("lease_min: 1m"))


def test_an_empty_variable_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOTLEASE_GRPC", "")
    assert load_settings({}).origin("grpc") == "default"


def test_a_variable_that_names_no_setting_is_told_of_and_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOTLEASE_LEASE_MIM", "1m")
    monkeypatch.setenv("SLOTLEASE_LEASE_MIN", "1m")
    monkeypatch.setenv("SLOTLEASE_CONFIG", "settings.toml")
    load_settings({})
    assert unread_variables() == ("SLOTLEASE_LEASE_MIM",)


def test_settings_do_not_change_once_they_are_read() -> None:
    settings = load_settings({})
    with pytest.raises(ValidationError):
        settings.leases = False  # type: ignore[misc]


def test_a_setting_is_shown_as_one_would_write_it() -> None:
    shown = {name: text_of(getattr(load_settings({}), name)) for name in Settings.model_fields}
    assert load_settings(shown).model_dump() == load_settings({}).model_dump()
    assert (shown["lease_min"], shown["drain"], shown["leases"]) == ("1m", "0s", "on")
    assert text_of(timedelta(milliseconds=1500)) == "1500ms"
    assert flag_of("lease_min") == "--lease-min"


def test_metrics_are_off_unless_given_an_address() -> None:
    assert load_settings({}).metrics == "off"
    assert load_settings({"metrics": " OFF "}).metrics == "off"
    assert load_settings({"metrics": "127.0.0.1:9464"}).metrics == "127.0.0.1:9464"
    assert load_settings({"metrics": "[::1]:9464"}).metrics == "[::1]:9464"
    with pytest.raises(SettingsRefused, match=r"metrics = 0\.0\.0\.0:9464 .*can be reached from other machines"):
        load_settings({"metrics": "0.0.0.0:9464"})
    assert load_settings({"metrics": "0.0.0.0:9464", "insecure": "on"}).metrics == "0.0.0.0:9464"
    with pytest.raises(SettingsRefused, match=r"metrics = on .*is no HOST:PORT"):
        load_settings({"metrics": "on"})


# --- the native library ------------------------------------------------------------------------------------------


def test_grpcio_serves_unless_the_other_library_is_asked_for() -> None:
    assert load_settings({}).transport == "grpcio"
    assert load_settings({"transport": " Native "}).transport == "native"
    assert "transport = rust (from --transport): must be one of grpcio, native" in refused({"transport": "rust"})


@pytest.mark.parametrize("name", GRPCIO_ONLY)
def test_what_the_native_library_would_silently_not_keep_to_is_refused(name: str) -> None:
    as_it_is = text_of(getattr(load_settings({}), name)) or "some.pem"
    told = refused({"transport": "native", name: as_it_is})
    said = "the native transport leaves this to the proxy in front; take it out, or set transport = grpcio"
    assert f"  {name} (from {flag_of(name)}): {said}" in told, "also where it is what it would be without"


@pytest.mark.parametrize("name", ["tls_certificate", "tls_key", "tls_client_roots"])
def test_a_file_that_is_named_by_nothing_is_not_given(name: str) -> None:
    assert load_settings({"transport": "native", name: ""}).transport == "native"


def test_what_is_wrong_with_the_native_library_is_told_beside_all_else() -> None:
    told = refused({"transport": "native", "connection_age": "soon", "lease_min": "soon"})
    assert len(told.splitlines()) == 4


def test_beyond_loopback_the_native_library_needs_a_proxy_and_leave() -> None:
    address = {"transport": "native", "grpc": "0.0.0.0:1"}
    told = refused(address)
    assert "grpc = 0.0.0.0:1 (from --grpc): can be reached from other machines, and the native transport speaks" in told
    assert "where a proxy in front ends TLS and checks callers, set insecure = on" in told
    assert load_settings({**address, "insecure": "on"}).grpc == "0.0.0.0:1"


# --- TLS ---------------------------------------------------------------------------------------------------------

TLS = {"tls_certificate": "server.pem", "tls_key": "server.key"}
MUTUAL = TLS | {"tls_client_roots": "ca.pem"}


def refused(flags: Mapping[str, object]) -> str:
    with pytest.raises(SettingsRefused) as raised:
        load_settings(flags)
    return str(raised.value)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1", "LOCALHOST:1"])
def test_on_loopback_plaintext_needs_no_leave(address: str) -> None:
    assert load_settings({"grpc": address}).grpc == address


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "192.0.2.7:1", "booking.example:1", "localhost.example:1"])
def test_beyond_loopback_plaintext_and_nameless_callers_need_leave(address: str) -> None:
    told = refused({"grpc": address})
    assert f"grpc = {address} (from --grpc): can be reached from other machines and would speak plaintext" in told
    assert "give tls_certificate, tls_key and tls_client_roots (`slotlease cert test-ca` makes some to try)" in told
    assert "would answer whoever calls; give tls_client_roots" in refused({"grpc": address, **TLS})
    assert load_settings({"grpc": address, **MUTUAL}).grpc == address
    assert load_settings({"grpc": address, "insecure": "on"}).grpc == address
    assert load_settings({"grpc": address, **TLS, "insecure": "on"}).grpc == address


def test_a_key_or_roots_without_a_certificate_are_refused_and_so_is_a_certificate_without_its_key() -> None:
    assert "tls_key = server.key (from --tls-key): is of no use without tls_certificate" in refused(
        {"tls_key": "server.key"}
    )
    assert "tls_client_roots = ca.pem (from --tls-client-roots): is of no use without tls_certificate" in refused(
        {"tls_client_roots": "ca.pem"}
    )
    assert "tls_key =  (from default): is missing: tls_certificate was given" in refused(
        {"tls_certificate": "server.pem"}
    )


def test_the_one_caller_that_may_call_is_googles_until_somebody_says_otherwise() -> None:
    assert load_settings({}).tls_client_names == ("mapsbooking.businesslink-3.net",)


def test_names_of_callers_are_a_list_in_the_file_and_have_commas_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_with('tls_client_names = ["a.example", "spiffe://shop/caller"]\n')
    assert load_settings({}, path).tls_client_names == ("a.example", "spiffe://shop/caller")
    monkeypatch.setenv("SLOTLEASE_TLS_CLIENT_NAMES", "b.example, c.example")
    assert load_settings({}, path).tls_client_names == ("b.example", "c.example")
    assert load_settings({"tls_client_names": "d.example"}, path).tls_client_names == ("d.example",)


@pytest.mark.parametrize("names", [",", "a.example,", "*.example", "a b", "a@b.example", [], 7, "a..b"])
def test_what_is_no_list_of_names_is_refused(names: object) -> None:
    assert "is no list of DNS names or URIs" in refused({"tls_client_names": names})
