"""What lies in deploy/ fits the program that it deploys."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from slotlease.config import Settings, load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
SAMPLE = DEPLOY / "slotlease.toml"
UNIT = DEPLOY / "slotlease.service"

EXPOSURE_MAX = 15
"""In tenths, as systemd counts: 1.2 when this was written. What is left is that it listens on a network."""


def test_the_sample_names_every_setting_and_nothing_else() -> None:
    assert set(tomllib.loads(SAMPLE.read_text("utf-8"))) == set(Settings.model_fields)


def test_the_sample_is_accepted_as_it_stands() -> None:
    settings = load_settings({}, SAMPLE)
    assert settings.store == "sqlite:////var/lib/slotlease/ledger.db"
    assert settings.origin("calls_max") == str(SAMPLE)


def test_what_the_sample_does_not_decide_for_production_is_the_default() -> None:
    decided = {
        *("store", "grpc", "tls_certificate", "tls_key", "tls_client_roots"),
        *("drain", "metrics", "log_format"),
    }
    sample, default = load_settings({}, SAMPLE), Settings()
    differing = {name for name in Settings.model_fields if getattr(sample, name) != getattr(default, name)}
    assert differing == decided


def test_systemd_waits_longer_than_the_server_takes_to_stop() -> None:
    settings = load_settings({}, SAMPLE)
    waits = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text("utf-8"), re.MULTILINE)
    assert waits is not None
    assert int(waits[1]) > settings.drain.total_seconds() + settings.grace.total_seconds() + 5


def test_the_unit_gives_the_server_enough_files_for_its_connections() -> None:
    files = re.search(r"^LimitNOFILE=(\d+)$", UNIT.read_text("utf-8"), re.MULTILINE)
    assert files is not None
    assert int(files[1]) > 2 * load_settings({}, SAMPLE).connections_max + 200


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="the unit's exposure needs systemd-analyze")
def test_the_unit_is_closed_to_what_it_does_not_need() -> None:
    judge = ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", str(UNIT)]
    judged = subprocess.run(judge, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - systemd's own
    assert judged.returncode == 0, judged.stdout[-400:]


def test_the_container_keeps_nothing_of_its_own_and_is_no_root() -> None:
    steps = (DEPLOY / "Containerfile").read_text("utf-8")
    assert re.search(r"^USER \d+$", steps, re.MULTILINE)
    assert "--require-hashes" in steps
    assert "STOPSIGNAL SIGTERM" in steps
