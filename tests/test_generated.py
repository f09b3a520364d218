"""Generated code is what its sources generate: a check finds whatever is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GENERATED = Path("src/slotlease/wire/proto")


def add_a_field(tree: Path) -> None:
    source = tree / "proto/ext/maps/booking/partner/v2/booking_service.proto"
    text = source.read_text("utf-8")
    before = "message GetBookingStatusRequest {\n"
    assert before in text
    source.write_text(text.replace(before, before + "  // New.\n  string new = 99;\n"), "utf-8")


def edit_by_hand(tree: Path) -> None:
    made = tree / GENERATED / "v0" / "booking_pb2.pyi"
    made.write_text(made.read_text("utf-8") + "\n", "utf-8")


def leave_out_a_file(tree: Path) -> None:
    (tree / GENERATED / "v2" / "payment_pb2.py").unlink()


def leave_one_over(tree: Path) -> None:
    (tree / GENERATED / "v2" / "waitlist_pb2.py").write_text("", "utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "stale"),
    [
        (add_a_field, "v2/booking_service_pb2.py"),
        (edit_by_hand, "v0/booking_pb2.pyi"),
        (leave_out_a_file, "v2/payment_pb2.py"),
        (leave_one_over, "v2/waitlist_pb2.py"),
    ],
)
def test_stale_generated_code_is_found_by_name(change: object, stale: str, tmp_path: Path) -> None:
    assert callable(change)
    shutil.copytree(ROOT / "proto", tmp_path / "proto", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / GENERATED, tmp_path / GENERATED, ignore=shutil.ignore_patterns("__pycache__"))
    change(tmp_path)
    check = [sys.executable, str(tmp_path / "proto" / "generate.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert done.returncode == 1
    assert f"\n  {stale}\n" in done.stderr
    assert "Run `make proto`" in done.stderr
