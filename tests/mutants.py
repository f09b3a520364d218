"""What `make mutants` found: how many mistakes the tests noticed, and those that they did not. Each of the latter must
stand in docs/mutants.md with a reason, by its file and the line that was spoilt; else the exit code is 1, as when fewer
than KILLED_MIN were noticed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXCUSED = ROOT / "docs" / "mutants.md"
KILLED_MIN = 0.9
NOTICED = {"killed", "timeout", "segfault", "suspicious"}
"""A mutant that hangs was noticed: a test that waits for ever fails."""
UNNOTICED = {"survived", "no tests"}

_RESULT = re.compile(r"\s*(\S+): (.+)")
_LISTED = re.compile(r"\| `(\w+/\w+\.py)` \| `(.+?)` \|")


def mutmut(*arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("mutmut")), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours


def results(said: str) -> dict[str, str]:
    """By mutant."""
    return {match[1]: match[2].strip() for line in said.splitlines() if (match := _RESULT.fullmatch(line))}


def spoilt_line(mutant: str, diff: str) -> tuple[str, str]:
    """The file, as `desk/lane.py`, and the first line that was changed."""
    path = mutant.removeprefix("slotlease.").rpartition(".")[0].replace(".", "/") + ".py"
    changed = [line[1:].strip() for line in diff.splitlines() if line.startswith("-") and not line.startswith("---")]
    return path, changed[0].replace("|", "\\|") if changed else ""


def main() -> int:
    found = results(mutmut("results", "--all", "true"))
    counts = Counter(found.values())
    killed, lived = (sum(counts[status] for status in statuses) for statuses in (NOTICED, UNNOTICED))
    share = killed / max(1, killed + lived)
    excused = set(_LISTED.findall(EXCUSED.read_text("utf-8")))
    survivors = {name: spoilt_line(name, mutmut("show", name)) for name, how in found.items() if how in UNNOTICED}
    unexcused = {name: where for name, where in survivors.items() if where not in excused}
    for name, (path, line) in unexcused.items():
        print(f"| `{path}` | `{line}` | {found[name]}: {name.rpartition('.')[2]}")  # noqa: T201 - this is a command
    print(  # noqa: T201 - the same
        f"mutants: {killed:,} of {killed + lived:,} noticed ({share:.1%}), {lived} lived, {len(unexcused)} of them"
        f" without a reason in {EXCUSED.relative_to(ROOT)}; {dict(counts)}"
    )
    return int(share < KILLED_MIN or bool(unexcused) or not found)


if __name__ == "__main__":
    sys.exit(main())
