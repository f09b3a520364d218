"""What the benchmarks read of the machine."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from bench.machine import process_cpu_s

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processor time is read from /proc")


def test_the_time_of_all_threads_is_counted_though_some_end_meanwhile() -> None:
    """A server's library ends threads of its own as it likes: between the list of them and the look at each."""
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            threading.Thread(target=int).start()

    comers = [threading.Thread(target=come_and_go) for _ in range(2)]
    for comer in comers:
        comer.start()
    try:
        first = last = process_cpu_s(os.getpid())
        until_s = time.monotonic() + 0.5
        while time.monotonic() < until_s:
            last = process_cpu_s(os.getpid())
    finally:
        over.set()
        for comer in comers:
            comer.join()
    assert last > first > 0
