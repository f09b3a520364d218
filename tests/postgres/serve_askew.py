"""`slotlease`, run by a process whose clock is SKEW_S seconds off: for the tests of many servers and nobody else.

Only the clock that `store/clock.py` reads: grpcio compares another with the deadlines of its own core, which cannot be
set from here.
"""

from __future__ import annotations

import os
import time

SKEW_NS = int(os.environ.pop("SKEW_S", "0")) * 1_000_000_000
_true_ns = time.time_ns  # noqa: TID251 - it is to be wrong

time.time_ns = lambda: _true_ns() + SKEW_NS  # noqa: TID251 - the same

if __name__ == "__main__":
    from slotlease.cli import main

    main()
