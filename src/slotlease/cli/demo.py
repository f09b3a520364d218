"""`slotlease demo`: a customer's story, played against a real server over a socket."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from slotlease.cli.ledger import CommandFailed
from slotlease.cli.output import console
from slotlease.inventory.example import write_example
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import import_feed
from slotlease.store.open import open_store

if TYPE_CHECKING:
    from slotlease.cli.demo_calls import Step

DAYS = 7
STARTS_WITHIN_S = 20.0
STOPS_WITHIN_S = 15.0

_LEDGER = "slotlease.db"
_MARK = "made-by-slotlease-demo.txt"
_MARK_TEXT = "`slotlease demo` made this folder, and makes its ledger and its feeds anew each time.\n"
_ADDRESS = re.compile(r" on (\S+), leases ")


@dataclass(frozen=True, slots=True)
class _Scene:
    """Where the story plays: example feeds on a new ledger."""

    folder: Path
    store: str
    first_day: datetime
    slots: int


def demo(
    folder: Annotated[
        Path, typer.Option(help="Where to keep the demo's feeds, ledger and log; made anew each time.")
    ] = Path(".demo"),
) -> None:
    """Play a customer's story against a real server.

    Writes example feeds, imports them into a new ledger, starts a server on a free port, calls it over gRPC as Google
    would, and shows what was asked and answered. Exit code 0 only if every step was answered as expected.
    """
    began_s = time.monotonic()
    scene = _set_scene(folder)
    typer.echo(f"Imported {scene.slots:,} slots of 3 merchants into {folder / _LEDGER}.")
    # Slow to import: see cli/__init__.py.
    from slotlease.cli.demo_calls import Step  # noqa: PLC0415
    from slotlease.cli.demo_story import tell  # noqa: PLC0415

    steps: list[Step] = []
    with _serving(scene) as (server, address):
        typer.echo(f"Process {server.pid} serves it on {address}; its log is {folder / 'server.log'}.")
        whole = tell(address, scene.first_day, scene.store, steps.append)
        stopping_s = time.perf_counter()
        ending = f"exit code {_stop(server)}"
        took_ms = (time.perf_counter() - stopping_s) * 1000
        steps.append(Step("Afterwards", "stop the server (SIGTERM)", ending, "exit code 0", took_ms))
    _print(steps)
    judge(steps, whole, time.monotonic() - began_s, folder)


def _set_scene(folder: Path) -> _Scene:
    now = datetime.now(tz=UTC)
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    url = f"sqlite:///{folder.resolve() / _LEDGER}"
    try:
        _clear(folder, url)
        written = write_example(folder / "feeds", tomorrow.date(), DAYS, generation_s=int(now.timestamp()))
    except OSError as error:
        message = f"cannot write to {error.filename or folder} ({error.strerror}); choose another --folder"
        raise CommandFailed(message) from error
    store = open_store(url, create=True)
    try:
        with read_feed(written.paths) as feed:
            import_feed(store, feed)
    finally:
        store.close()
    return _Scene(folder, url, tomorrow, sum(written.slots.values()))


def _clear(folder: Path, url: str) -> None:
    """Removes what the last demo left; never a ledger that no demo made, nor one that is being served."""
    ledger = folder / _LEDGER
    if ledger.exists():
        if not (folder / _MARK).exists():
            message = f"{ledger} was made by no demo, and a demo would replace it; choose another --folder"
            raise CommandFailed(message)
        open_store(url, serve=True).close()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).write_text(_MARK_TEXT, encoding="utf-8")
    feeds = [path for kind in ("merchant", "service", "availability") for path in folder.glob(f"feeds/{kind}_feed_*")]
    for path in (*folder.glob(f"{_LEDGER}*"), *feeds):
        path.unlink()


@contextmanager
def _serving(scene: _Scene) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of its own process, as `slotlease serve` starts one, on a free loopback port; and its address.

    In its own folder and without our variables, so that nothing in the surroundings changes the story.
    """
    options = {"--store": scene.store, "--grpc": "127.0.0.1:0", "--lease-min": "1s", "--log-format": "json"}
    words = [word for option in options.items() for word in option]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLOTLEASE_")}
    with (scene.folder / "server.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, "-P", "-m", "slotlease.cli", "serve", *words],
            cwd=scene.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield server, _address_of(server, scene.folder / "server.log")
        finally:
            if server.poll() is None:
                _stop(server)
            if server.stdout is not None:
                server.stdout.close()


def _address_of(server: subprocess.Popen[str], log: Path) -> str:
    """Waits for the line in which the server says where it serves. Raises CommandFailed."""
    too_late = threading.Timer(STARTS_WITHIN_S, server.kill)
    too_late.start()
    line = server.stdout.readline() if server.stdout is not None else ""
    too_late.cancel()
    found = _ADDRESS.search(line)
    if found is None:
        said = log.read_text(encoding="utf-8").strip() or "it said nothing"
        message = f"the demo's server did not start within {STARTS_WITHIN_S:.0f} s; its log, {log}:\n{said}"
        raise CommandFailed(message)
    return found[1]


def _stop(server: subprocess.Popen[str]) -> int:
    """The exit code."""
    server.send_signal(signal.SIGTERM)
    try:
        return server.wait(STOPS_WITHIN_S)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


def _print(steps: Sequence[Step]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("asked", overflow="fold")
    table.add_column("answered", overflow="fold")
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for act, theirs in groupby(steps, key=lambda step: step.act):
        table.add_section()
        table.add_row(Text(act, "bold"))
        for step in theirs:
            verdict = Text("ok", "green") if step.passed else Text("FAILED", "bold red")
            table.add_row(Padding(Text(step.asked), (0, 0, 0, 2)), Text(step.answered), f"{step.took_ms:.1f}", verdict)
    console().print(table)


def judge(steps: Sequence[Step], whole: bool, took_s: float, folder: Path) -> None:
    """Says how it went. Raises CommandFailed unless every step was asked and answered as expected."""
    failed = [step for step in steps if not step.passed]
    if not failed and whole:
        typer.echo(f"\nAll {len(steps)} steps were answered as expected, in {took_s:.1f} s.")
        typer.echo(f"The ledger stays: slotlease serve --store sqlite:///{folder / _LEDGER}")
        return
    lines = [f"{len(failed)} of {len(steps)} steps were not answered as expected:"]
    lines += [f"  {step.asked}: expected {step.expected!r}, answered {step.answered!r}" for step in failed]
    if not whole:
        lines.append("  the steps after a call that failed were not asked")
    lines.append(f"What the server said is in {folder / 'server.log'}.")
    raise CommandFailed("\n".join(lines))
