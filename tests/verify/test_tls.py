"""`slotlease verify` and TLS: who gets in, and whom it meets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.certificates import made, shown
from tests.cli.running import run, serving
from tests.verify.judging import example_ledger, judged

Capsys = pytest.CaptureFixture[str]


def options_to_serve(folder: Path, own: dict[str, bytes], others: dict[str, bytes]) -> dict[str, str]:
    """Callers of both authorities are known; those of one have Google's name, those of the other have not."""
    files = {**own, "roots.pem": own["ca.pem"] + others["ca.pem"]}
    files |= {f"other.{kind}": others[f"client.{kind}"] for kind in ("pem", "key")}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {
        "--tls-certificate": str(folder / "server.pem"),
        "--tls-key": str(folder / "server.key"),
        "--tls-client-roots": str(folder / "roots.pem"),
    }


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "certificates"
    folder.mkdir()
    own = made()
    return options_to_serve(folder, own, made("another.example")) | {"folder": str(folder)}


def words_of(options: dict[str, str]) -> tuple[str, ...]:
    return tuple(word for option in options.items() for word in option)


def judged_over_tls(
    folder: Path, certificates: dict[str, str], capsys: Capsys, left_out: tuple[str, ...] = ()
) -> dict[str, tuple[str, str]]:
    """How each case of the group ended, and what came where it failed; the server is served without `left_out`."""
    at = Path(certificates["folder"])
    url, feeds = example_ledger(folder)
    own = {"ca.pem": (at / "ca.pem").read_bytes()}
    own |= {f"client.{kind}": (at / f"client.{kind}").read_bytes() for kind in ("pem", "key")}
    served = {name: value for name, value in certificates.items() if name.startswith("--") and name not in left_out}
    with serving(url, folder, *words_of(served), shown=shown(own, trusting=own)) as server:
        words = words_of(
            {
                "--availability": str(feeds[0]),
                "--api": "v2",
                "--only": "connection",
                "--tls-roots": str(at / "ca.pem"),
                "--tls-certificate": str(at / "client.pem"),
                "--tls-key": str(at / "client.key"),
                "--tls-wrong-name-certificate": str(at / "other.pem"),
                "--tls-wrong-name-key": str(at / "other.key"),
                "--json": str(folder / "report.json"),
            }
        )
        run(capsys, "verify", server.address, *words)
    report = json.loads((folder / "report.json").read_text("utf-8"))
    return {one["id"]: (one["outcome"], one["why"]) for one in report["cases"]}


def test_our_own_server_lets_in_google_and_nobody_else(
    tmp_path: Path, certificates: dict[str, str], capsys: Capsys
) -> None:
    outcomes = judged_over_tls(tmp_path, certificates, capsys)
    assert {name: told for name, told in outcomes.items() if told[0] == "skipped"}.keys() == {
        "connection.password.none",
        "connection.password.wrong",
    }
    assert {told[0] for told in outcomes.values()} == {"pass", "skipped"}, outcomes


def test_a_server_that_knows_no_callers_lets_everybody_in(
    tmp_path: Path, certificates: dict[str, str], capsys: Capsys
) -> None:
    outcomes = judged_over_tls(tmp_path, certificates, capsys, left_out=("--tls-client-roots",))
    failed = {name for name, told in outcomes.items() if told[0] == "fail"}
    assert failed == {f"connection.client.{who}" for who in ("none", "foreign", "wrong-name")}


def test_a_server_of_another_name_is_no_server_that_is_called(
    tmp_path: Path, certificates: dict[str, str], capsys: Capsys
) -> None:
    url, feeds = example_ledger(tmp_path)
    at = Path(certificates["folder"])
    served = {name: value for name, value in certificates.items() if name in {"--tls-certificate", "--tls-key"}}
    with serving(url, tmp_path, *words_of(served)) as server:
        words = ("--availability", str(feeds[0]), "--api", "v2", "--only", "connection.tls")
        known = ("--tls-roots", str(at / "ca.pem"))
        assert run(capsys, "verify", server.address, *words, *known).code == 0
        assert run(capsys, "verify", server.address, *words, *known, "--tls-name", "other.example").code == 1
        unknown = run(capsys, "verify", server.address, *words, "--tls")
    assert unknown.code == 1
    assert "FAIL connection.tls:" in unknown.out


def test_version_3_is_called_over_tls_by_the_name_of_its_server(
    tmp_path: Path, certificates: dict[str, str], capsys: Capsys
) -> None:
    at = certificates["folder"]
    served = {name: f"{at}/server.{kind}" for name, kind in (("--tls-certificate", "pem"), ("--tls-key", "key"))}
    options = words_of({"--rest": "127.0.0.1:0", "--rest-prefix": "/google", **served})
    trusting = {"ca.pem": Path(at, "ca.pem").read_bytes()}
    with judged(tmp_path, *options, shown=shown(None, trusting=trusting)) as server:
        words = (*server.words_of("v3"), "--tls-roots", f"{at}/ca.pem", "--prefix", "/google", "--only", "connection")
        report = tmp_path / "report.json"
        assert run(capsys, *words, "--json", str(report)).code == 0
        passed = {one["id"] for one in json.loads(report.read_text("utf-8"))["cases"] if one["outcome"] == "pass"}
        assert {"connection.tls", "connection.tls.plaintext", "connection.password.wrong"} <= passed
        nobody = run(capsys, *words, "--tls-name", "booking.example")
    assert "connection.tls" in nobody.out
    assert nobody.code == 1
