"""What lies in deploy/ fits the program that it deploys."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from slotlease.config import Settings, load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
SAMPLE = DEPLOY / "slotlease.toml"
UNIT = DEPLOY / "slotlease.service"
CONTAINER = DEPLOY / "Containerfile"

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
    steps = CONTAINER.read_text("utf-8")
    assert re.search(r"^USER \d+$", steps, re.MULTILINE)
    assert "--require-hashes" in steps
    assert "STOPSIGNAL SIGTERM" in steps


def copied_from_the_tree() -> list[str]:
    """What the container's first stage takes from the tree."""
    steps = CONTAINER.read_text("utf-8")
    lines = [line.split() for line in steps.splitlines() if line.startswith("COPY ") and "--from" not in line]
    return [name for line in lines for name in line[1:-1]]


@pytest.mark.slow
def test_the_container_is_given_all_that_its_package_is_made_of(tmp_path: Path) -> None:
    """The step that makes the package, from exactly the files that are copied, and the command that it starts. The
    step before it needs the package index, and those around it an engine."""
    for name in copied_from_the_tree():
        given = DEPLOY.parent / name
        assert given.exists(), name
        taken = tmp_path / "src" / name
        taken.parent.mkdir(parents=True, exist_ok=True)
        if given.is_dir():
            shutil.copytree(given, taken, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(given, taken)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), "."], cwd=tmp_path / "src", check=True, timeout=120)  # noqa: S603 - pip
    (wheel,) = tmp_path.glob("slotlease-*.whl")
    with zipfile.ZipFile(wheel) as package:
        names = package.namelist()
        (commands,) = (package.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    entry = re.search(r'^ENTRYPOINT \["/opt/slotlease/bin/(\w+)"\]$', CONTAINER.read_text("utf-8"), re.MULTILINE)
    assert entry is not None
    assert re.search(rf"^{entry[1]} = slotlease\.cli:", commands, re.MULTILINE)
    assert "slotlease/store/schema/sqlite/0001_ledger.sql" in names, "what is no Python is packed too"


def test_the_container_starts_the_server_with_settings_that_it_takes() -> None:
    command = re.search(r"^CMD (\[.*\])$", CONTAINER.read_text("utf-8"), re.MULTILINE)
    assert command is not None
    verb, option, path = json.loads(command[1])
    assert (verb, option) == ("serve", "--config")
    assert path in CONTAINER.read_text("utf-8").partition("FROM")[0], "the line that runs it mounts the file there"
