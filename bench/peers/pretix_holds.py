"""pretix (PyPI), which sells tickets: how many cart positions a second its own task makes, from threads of one process
and without any server in front, which ours has. A cart position is its lease: it holds a place for a while.

`python -m bench.peers.pretix_holds PYTHON` with the Python of an environment in which pretix is installed, prints a
table. Migrating its database takes minutes; on SQLite it is done once and kept.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from bench.databases import postgres

FOLDER = Path("build/bench").resolve()
KEPT = FOLDER / "pretix-kept" / "db.sqlite3"
SCRIPT = Path(__file__).with_name("pretix_carts.py")
FOR_S = 5
MANY = 1_000_000

ROUNDS = (
    ("100 items of a million places", 1, MANY, 100),
    ("100 items of a million places", 16, MANY, 100),
    ("one item of a million places", 16, MANY, 1),
    ("one item of 5 places", 16, 5, 1),
)
"""What, threads, places of each item, items."""


def configure(folder: Path, database: dict[str, object]) -> dict[str, str]:
    """The environment of a pretix with this database, whose files lie in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["[pretix]", "url=http://localhost", f"datadir={folder}", "[django]", "debug=off", "[database]"]
    lines += [f"{name}={value}" for name, value in database.items()]
    path = folder / "pretix.cfg"
    path.write_text("\n".join(lines) + "\n")
    return {**os.environ, "PRETIX_CONFIG_FILE": str(path)}


def run(python: str, environment: dict[str, str], *words: object) -> str:
    command = [python, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - theirs
    if done.returncode:
        message = f"{' '.join(command)} failed: {done.stderr[-600:]}"
        raise RuntimeError(message)
    return done.stdout


def migrate(python: str, environment: dict[str, str]) -> None:
    run(python, environment, "-m", "pretix", "migrate", "--skip-checks")


def measure(python: str, store: str, environment: dict[str, str]) -> None:
    for name, threads, size, items in ROUNDS:
        told = json.loads(run(python, environment, SCRIPT, threads, size, items, FOR_S).splitlines()[-1])
        ended = ", ".join(f"{how} {times:,}" for how, times in sorted(told["ended"].items()))
        line = f"| {store} | {name} | {threads} | {told['per_s']:,.1f} | {ended} | {told['oversold']} |\n"
        sys.stdout.write(line)
        sys.stdout.flush()


def on_sqlite(python: str) -> None:
    if not KEPT.exists():
        migrate(python, configure(KEPT.parent, {"backend": "sqlite3"}))
    folder = FOLDER / f"pretix-{os.getpid()}"
    environment = configure(folder, {"backend": "sqlite3"})
    try:
        shutil.copyfile(KEPT, folder / KEPT.name)
        measure(python, "sqlite", environment)
    finally:
        shutil.rmtree(folder)


def on_postgres(python: str) -> None:
    folder = FOLDER / f"pretix-{os.getpid()}"
    try:
        with postgres(FOLDER / f"postgres-{os.getpid()}") as databases:
            url = urlsplit(databases.empty())
            place = {"host": url.hostname, "port": url.port, "user": url.username, "password": url.password}
            environment = configure(folder, {"backend": "postgresql", "name": url.path[1:], **place})
            migrate(python, environment)
            measure(python, "postgres", environment)
    finally:
        shutil.rmtree(folder)


def main() -> None:
    sys.stdout.write("| store | items | threads | holds/s | calls | oversold |\n|---|---|---|---|---|---|\n")
    on_sqlite(sys.argv[1])
    on_postgres(sys.argv[1])


if __name__ == "__main__":
    main()
