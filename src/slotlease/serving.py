"""What is served where, and that it cannot be. Apart from what serves, for a supervisor loads none of that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from slotlease.config import Settings
from slotlease.telemetry.metrics_page import Measured, metrics_page


class CannotListen(Exception):
    """The address cannot be had; the text says which and what to do next."""


def cannot_listen(address: str) -> CannotListen:
    return CannotListen(
        f"cannot listen on {address}: another program has the port, or the host is no address of this machine; "
        "stop the other program or choose another HOST:PORT"
    )


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served where, told once the first call can be answered."""

    store: str
    address: str
    settings: Settings
    metrics_address: str = ""
    """Empty where no metrics are served."""

    rest_address: str = ""
    """Empty where version 3 is not served."""


@contextlib.contextmanager
def metrics_served(settings: Settings, metrics: Measured) -> Iterator[str]:
    """HOST:PORT where the metrics are served while the block runs; empty where they are off. Raises CannotListen."""
    if settings.metrics == "off":
        yield ""
        return
    host, _, port = settings.metrics.rpartition(":")
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(metrics_page(metrics, host.strip("[]"), int(port)))
        except OSError as error:
            message = (
                f"cannot serve metrics on {settings.metrics}: another program has the port, or the host is no address "
                "of this machine; choose another HOST:PORT for --metrics, or off"
            )
            raise CannotListen(message) from error
        yield f"{host}:{found}"
