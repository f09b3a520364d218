"""The demo, as a newcomer runs it: from the tree, and from the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from slotlease.cli.demo import judge
from slotlease.cli.demo_calls import Step
from slotlease.cli.demo_story import tell
from slotlease.cli.ledger import CommandFailed
from tests.cli.running import TOMORROW, WAIT_S, run, run_process, serving

TREE = Path(__file__).parents[2]

Capsys = pytest.CaptureFixture[str]


@pytest.mark.slow
def test_the_demo_replaces_what_the_last_one_left_and_plays_as_expected(ledger: str, tmp_path: Path) -> None:
    folder = tmp_path / ".demo"
    (folder / "feeds").mkdir(parents=True)
    Path(ledger.removeprefix("sqlite:///")).rename(folder / "slotlease.db")
    for name in ("made-by-slotlease-demo.txt", "feeds/merchant_feed_1_001_of_001.json", "feeds/mine.txt"):
        (folder / name).touch()
    outcome = run_process("demo", cwd=tmp_path)
    assert outcome.code == 0, outcome.out + outcome.err
    assert "1 leased for 10 min, 19 SLOT_UNAVAILABLE" in outcome.out
    assert "FAILED" not in outcome.out
    assert "steps were answered as expected" in outcome.out
    assert len(list((folder / "feeds").glob("*_feed_*"))) == 3, "the last demo's feeds are gone"
    assert (folder / "feeds" / "mine.txt").exists(), "and nothing else"


def test_a_ledger_that_no_demo_made_is_not_replaced(ledger: str, tmp_path: Path, capsys: Capsys) -> None:
    real = tmp_path / "slotlease.db"
    Path(ledger.removeprefix("sqlite:///")).rename(real)
    before = real.read_bytes()
    outcome = run(capsys, "demo", "--folder", str(tmp_path))
    assert outcome.code == 1
    assert "was made by no demo, and a demo would replace it; choose another --folder" in outcome.err
    assert real.read_bytes() == before


def test_a_demos_ledger_that_is_being_served_is_not_replaced(ledger: str, tmp_path: Path, capsys: Capsys) -> None:
    Path(ledger.removeprefix("sqlite:///")).rename(tmp_path / "slotlease.db")
    (tmp_path / "made-by-slotlease-demo.txt").touch()
    with serving(f"sqlite:///{tmp_path / 'slotlease.db'}", tmp_path) as server:
        outcome = run(capsys, "demo", "--folder", str(tmp_path))
        assert outcome.code == 1
        assert f"is already served by process {server.process.pid}" in outcome.err
        assert server.health() == "SERVING"


def test_a_story_that_is_not_answered_as_expected_ends_with_1_and_says_what_was_expected(
    ledger: str, tmp_path: Path
) -> None:
    steps: list[Step] = []
    with serving(ledger, tmp_path, "--leases", "off") as server:
        assert not tell(server.address, TOMORROW, ledger, steps.append)
    failed = [step for step in steps if not step.passed]
    assert [(step.asked, step.answered, step.expected) for step in failed] == [
        ("CreateLease, at 07:00", "UNIMPLEMENTED", "leased for 10 min")
    ]
    assert steps[-1].asked.startswith("doctor"), "the ledger is recounted however the story ended"
    with pytest.raises(CommandFailed) as verdict:
        judge(steps, whole=False, took_s=1.0, folder=tmp_path)
    assert f"1 of {len(steps)} steps were not answered as expected" in str(verdict.value)
    assert "expected 'leased for 10 min', answered 'UNIMPLEMENTED'" in str(verdict.value)
    assert "the steps after a call that failed were not asked" in str(verdict.value)


@pytest.mark.slow
def test_the_wheel_in_an_empty_environment_outside_the_tree_plays_the_demo(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path / "dist")
    python = empty_environment(tmp_path / "env")
    install = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install"]
    run_quietly([*install, "--quiet", "--no-deps", "--no-index", str(wheel)], tmp_path)
    link_what_it_needs(python)
    where = run_quietly([str(python), "-c", "import slotlease; print(slotlease.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path / "env"), "not the tree's own package"
    told = run_quietly([str(python.with_name("slotlease")), "demo"], tmp_path)
    assert "steps were answered as expected" in told
    assert (tmp_path / ".demo" / "slotlease.db").is_file()


def build_wheel(folder: Path) -> Path:
    """Offline, with the build back end that the lock file holds."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(TREE)]
    run_quietly(build, folder.parent)
    (wheel,) = folder.iterdir()
    return wheel


def empty_environment(folder: Path) -> Path:
    """Its python. Without pip, which would only cost time: ours installs into it."""
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


def link_what_it_needs(python: Path) -> None:
    """Gives the environment what the wheel says it needs, and nothing more, from our own: the very versions that the
    lock file holds, without a network. A requirement that the wheel forgets to name is missing there."""
    (site_packages,) = python.parents[1].glob("lib/python*/site-packages")
    (installed,) = (d for d in Distribution.discover(path=[str(site_packages)]) if d.name == "slotlease")
    waiting = list(installed.requires or ())
    linked = {"slotlease"}
    while waiting:
        requirement = Requirement(waiting.pop())
        extras = ("", *requirement.extras)
        wanted = requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)
        if not wanted or requirement.name in linked:
            continue
        linked.add(requirement.name)
        ours = distribution(requirement.name)
        assert ours.version in requirement.specifier, f"the environment of the tests has {ours.name} {ours.version}"
        waiting += ours.requires or ()
        link_files(ours, site_packages)


def link_files(ours: Distribution, site_packages: Path) -> None:
    for file in ours.files or ():
        if ".." in file.parts or "__pycache__" in file.parts:
            continue  # its command, its caches
        link = site_packages / file
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(file.locate())


def run_quietly(words: list[str], folder: Path) -> str:
    """What it printed. In `folder`, so that nothing of the tree is imported by accident."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLOTLEASE_", "PYTHON"))}
    done = subprocess.run(  # noqa: S603 - our own arguments, no shell
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=4 * WAIT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
