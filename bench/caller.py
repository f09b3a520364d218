"""The load generator (client/*.c): built where it can be, started, and what it measured."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.machine import Reading, read_cpu
from bench.tape import Call, read_log

SOURCES = Path(__file__).parent / "client"
_PARTS = {"load": ("load.c", "h1.c", "h2.c", "answer.c"), "sink": ("sink.c",)}
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")
ECHO = "echo"
"""An echo in C++, which takes half a minute to compile and is measured only where that works."""
HEADER = Path("nghttp2/nghttp2.h")

MISSING = """\
The load generator cannot be built: {what}.
It needs a C compiler and the headers of libnghttp2. Install them:
  Debian, Ubuntu: apt install gcc libc6-dev libnghttp2-dev
  Fedora:         dnf install gcc libnghttp2-devel
and run the same command again."""


class CannotBuild(Exception):
    """The text says what is missing and how to install it."""


@dataclass(frozen=True, slots=True)
class Load:
    """`connections` times as many callers on each make `concurrent`. `rate_per_s` 0: each caller sends its next request
    as soon as it has an answer; else requests are due at random instants, so many a second."""

    address: str
    tape: Path
    connections: int
    concurrent: int
    warm_s: float
    for_s: float
    rate_per_s: float = 0
    seed: int = 1
    http1: bool = False
    cycles: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """`measured_s` is shorter than asked for where the tape or the server came to its end."""

    calls: list[Call]
    measured_s: float
    client_cpu_s: float
    before: Reading
    after: Reading
    ended_early: bool = field(default=False)


def build(folder: Path) -> dict[str, Path]:
    """The programs `load` and `sink`, and ECHO where gRPC for C++ is installed. Raises CannotBuild."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise CannotBuild(MISSING.format(what="there is no C compiler (cc)"))
    folder.mkdir(parents=True, exist_ok=True)
    programs = {name: folder / name for name in _PARTS}
    newest = max(path.stat().st_mtime for path in SOURCES.iterdir())
    for name, parts in _PARTS.items():
        program = programs[name]
        if _is_fresh(program, newest):
            continue
        command = [compiler, *_FLAGS, "-o", str(program), *(str(SOURCES / part) for part in parts), "-lnghttp2", "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own sources
        if done.returncode:
            what = f"{HEADER} is missing" if str(HEADER) in done.stderr else done.stderr.strip()
            raise CannotBuild(MISSING.format(what=what))
    return programs | _build_echo(folder / ECHO, newest)


def _build_echo(program: Path, newest: float) -> dict[str, Path]:
    found = [shutil.which(name) for name in ("c++", "pkg-config")]
    if None in found:
        return {}
    flags = subprocess.run(  # noqa: S603 - a program of the system
        [str(found[1]), "--cflags", "--libs", "grpc++"], capture_output=True, text=True, check=False
    )
    if flags.returncode:
        return {}
    if not _is_fresh(program, newest):
        command = [str(found[0]), "-std=c++17", "-O2", "-o", str(program), str(SOURCES / "echo.cc")]
        if subprocess.run([*command, *flags.stdout.split()], capture_output=True, check=False).returncode:  # noqa: S603 - our own source
            return {}
    return {ECHO: program}


def _is_fresh(program: Path, newest: float) -> bool:
    return program.exists() and program.stat().st_mtime > newest


def call(program: Path, load: Load, log: Path, *, measuring: Callable[[], None] | None = None) -> Loaded:
    """Calls a server until the time is up. `measuring` is called as the measured time begins."""
    words = {
        "address": load.address,
        "tape": load.tape,
        "log": log,
        "connections": load.connections,
        "concurrent": load.concurrent,
        "warm-s": load.warm_s,
        "for-s": load.for_s,
        "rate": load.rate_per_s,
        "seed": load.seed,
    }
    command = [str(program), *(word for name, value in words.items() for word in (f"--{name}", str(value)))]
    command += ["--http1"] * load.http1 + ["--cycle"] * load.cycles
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        _expect(process, "measuring")
        before = read_cpu()
        if measuring is not None:
            measuring()
        _expect(process, "measured")
        after = read_cpu()
        figures = json.loads(process.stdout.readline())
        process.wait()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    measured_s = figures["measured_ns"] / 1e9
    early = measured_s < load.for_s * 0.98
    return Loaded(list(read_log(log)), measured_s, figures["cpu_us"] / 1e6, before, after, early)


def _expect(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    said = process.stdout.readline().strip()
    if said != line:
        message = (
            f"the load generator said {said!r} where {line!r} was due; is the server up, and the tape long enough?"
        )
        raise RuntimeError(message)
