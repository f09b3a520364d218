"""The process clock. The only place in the program that reads the time of day (DESIGN 2: now is an argument)."""

from __future__ import annotations

import time


def system_clock() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000
