"""One worker of a supervised server: `python -m slotlease.worker`, begun by `supervise.py` and by nobody else.

It reads its settings from stdin, one line of JSON, and says on stdout, in one line, that it serves or why it does not.
When stdin ends it stops: so it outlives no supervisor, however that ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from slotlease.certificate import CertificateRefused
from slotlease.config import Settings
from slotlease.serve import run
from slotlease.serving import CannotListen, Serving
from slotlease.store.protocol import StoreFault
from slotlease.telemetry.traces import TracesMissing
from slotlease.transport_native import TransportMissing


class _Lifeline:
    """Watches stdin, which the supervisor keeps open as long as the worker shall serve."""

    def __init__(self) -> None:
        self._serves = threading.Event()
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()

    def serves(self) -> None:
        """From now on a signal is handled."""
        self._serves.set()

    def _watch(self) -> None:
        # Not through Python's own file, whose lock would be held at the end of the process.
        while os.read(0, 4096):
            pass
        if self._serves.is_set() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            return  # asked already, by a signal to all processes of the service: a second one would cut calls off
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    settings = Settings.model_validate(json.loads(sys.stdin.buffer.readline()))
    lifeline = _Lifeline()

    def announce(serving: Serving) -> None:
        lifeline.serves()
        _tell({"metrics_port": int(serving.metrics_address.rpartition(":")[2] or 0)})

    try:
        run(settings, announce, shares_ports=True)
    except (CannotListen, CertificateRefused, StoreFault, TracesMissing, TransportMissing) as error:
        _tell({"refused": str(error)})
        sys.exit(1)


def _tell(told: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
