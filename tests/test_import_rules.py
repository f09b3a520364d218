"""The rooms of DESIGN section 4 are held by a tool: here each of its rules is broken once, and it says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("importer", "line", "rule"),
    [
        pytest.param("domain/spot.py", "import slotlease.desk.batch", "Imports go down only", id="an import goes up"),
        pytest.param("domain/spot.py", "import time", "The rules know no clock", id="a rule reads the clock"),
        pytest.param(
            "desk/batch.py",
            "import slotlease.wire.proto.v2.booking_pb2",
            "Imports go down only",
            id="the desk knows wire",
        ),
        pytest.param("desk/lane.py", "import google.protobuf", "Protobuf and gRPC end", id="the desk knows protobuf"),
        pytest.param("inventory/feed.py", "import apsw", "Only the store speaks", id="a feed reader opens a database"),
        pytest.param(
            "desk/desk.py", "import slotlease.store.sqlite", "only store.open knows", id="the desk knows which store"
        ),
        pytest.param(
            "verify/feed.py", "import slotlease.wire.limits", "What judges booking servers", id="verify knows the wire"
        ),
        pytest.param(
            "verify/feed.py", "import slotlease.domain.slot", "What judges booking servers", id="verify knows a rule"
        ),
        pytest.param("newroom/__init__.py", "", "every room has its place", id="a room without a place"),
    ],
)
def test_import_that_breaks_a_rule_is_found(importer: str, line: str, rule: str, tmp_path: Path) -> None:
    sources = tmp_path / "src"
    shutil.copytree(ROOT / "src", sources, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    changed = sources / "slotlease" / importer
    changed.parent.mkdir(exist_ok=True)
    before = changed.read_text("utf-8") if changed.exists() else ""
    changed.write_text(f"{before}\n{line}\n", "utf-8")
    done = subprocess.run(  # noqa: S603 - our own tool
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(sources)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    told = [told for told in done.stdout.splitlines() if rule in told]
    # A room without a place is told before any rule is tried.
    assert any(" BROKEN" in one for one in told) or (not line and "newroom" in done.stdout), done.stdout
