"""The lease story of both versions, told by a client that is neither ours nor Python: Node with our .proto files.

Where Node or its packages cannot be had, that is said aloud and the test is left out; under CI it fails instead.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from slotlease.config import GOOGLE_CLIENT
from slotlease.domain.slot import SECOND_US
from slotlease.wire.callers import Callers
from tests.certificates import Files, made, shown
from tests.support import DAY_US, Offered, Shop
from tests.wire.conftest import BY_GRPCIO, Tls, serving

ROOT = Path(__file__).resolve().parents[2]
CLIENT = Path(__file__).resolve().parent / "node"
INSTALLED = ROOT / "build" / "node"
"""Where `npm ci` puts the packages: outside of what is committed."""

INSTALL_TIMEOUT_S = 90
STORY_TIMEOUT_S = 60
SENTENCES = 22


class Missing(Exception):
    """What is needed to run the story and is not there; the text says what to do."""


def client_packages(node: str | None, npm: str | None) -> Path:
    """The folder of the locked packages, installed if it is not there or the lock has changed. Raises Missing."""
    if node is None or npm is None:
        message = "node and npm were not found; install Node.js 18 or newer (Debian, Ubuntu: apt install nodejs npm)"
        raise Missing(message)
    locked = CLIENT / "package-lock.json"
    stamp = INSTALLED / "package-lock.json"
    packages = INSTALLED / "node_modules"
    if packages.is_dir() and stamp.is_file() and stamp.read_bytes() == locked.read_bytes():
        return packages
    shutil.rmtree(INSTALLED, ignore_errors=True)
    INSTALLED.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(CLIENT / name, INSTALLED / name)
    # No scripts: a package gets to run nothing before the story does.
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(  # noqa: S603 - npm, and our own arguments
        command, cwd=INSTALLED, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
    )
    if done.returncode:
        shutil.rmtree(INSTALLED, ignore_errors=True)
        message = f"`{' '.join(command)}` failed; it needs the npm registry once:\n{done.stderr}"
        raise Missing(message)
    return packages


def found_packages(capsys: pytest.CaptureFixture[str]) -> Path:
    try:
        return client_packages(shutil.which("node"), shutil.which("npm"))
    except (Missing, subprocess.TimeoutExpired) as missing:
        if os.environ.get("CI") == "true":
            raise
        with capsys.disabled():
            print(f"\nWARNING: the independent client was not run: {missing}", flush=True)  # noqa: T201 - for a person
        pytest.skip(f"the independent client was not run: {missing}")


def tell_story(packages: Path, address: str, shop: dict[str, object], *tls: str) -> subprocess.CompletedProcess[str]:
    """`tls`: --ca, --cert, --key and --server-name with their values, for a server that wants them."""
    command = ["node", str(CLIENT / "story.cjs"), "--address", address, "--protos", str(ROOT / "proto"), *tls]
    return subprocess.run(  # noqa: S603 - our own script and arguments
        command,
        input=json.dumps(shop),
        env={**os.environ, "NODE_PATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=STORY_TIMEOUT_S,
        check=False,
    )


def two_slots(shop: Shop) -> dict[str, object]:
    """Offers two slots, and tells of them as the story wants to hear it."""
    first = Offered()
    second = Offered(start_us=first.start_us + DAY_US)
    shop.offer(first, second, merchant_id="m1")
    return {
        "merchant_id": "m1",
        "service_id": first.service_id,
        "duration_s": first.duration_us // SECOND_US,
        "starts_s": [first.start_us // SECOND_US, second.start_us // SECOND_US],
    }


@pytest.mark.slow
def test_a_client_that_shares_no_code_with_us_tells_the_lease_story_of_both_versions(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = found_packages(capsys)
    with serving(shop) as served:
        done = tell_story(packages, served.address, two_slots(shop))
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.splitlines()[-1] == f"all {SENTENCES} sentences came true"
    assert served.incidents == []


@BY_GRPCIO
@pytest.mark.slow
def test_it_tells_the_same_story_over_mutual_tls_and_not_without_its_certificate(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = found_packages(capsys)
    authority, files = made(), Files(tmp_path)
    files.put(authority)
    named = ("--ca", str(tmp_path / "ca.pem"), "--server-name", "localhost")
    own = ("--cert", str(tmp_path / "client.pem"), "--key", str(tmp_path / "client.key"))
    tls = Tls(files.open(), Callers((GOOGLE_CLIENT,)), shown(authority, trusting=authority))
    with serving(shop, tls=tls) as served:
        told_to = two_slots(shop)
        nameless = tell_story(packages, served.address, told_to, *named)
        done = tell_story(packages, served.address, told_to, *named, *own)
    assert nameless.returncode == 1
    assert "UNAVAILABLE" in nameless.stderr
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.splitlines()[-1] == f"all {SENTENCES} sentences came true"
    assert served.incidents == []


def test_the_packages_of_the_independent_client_are_locked_by_hash_and_name_no_address() -> None:
    text = (CLIENT / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert "://" not in text, "take out `resolved` (.npmrc sees to it) and `funding` by hand"
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert {"node_modules/@grpc/grpc-js", "node_modules/@grpc/proto-loader"} <= set(packages)


def test_without_node_it_is_said_what_to_install() -> None:
    with pytest.raises(Missing, match="install Node"):
        client_packages(None, None)
