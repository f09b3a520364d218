"""Why a request got no answer. Faults are exceptions; `wire/outcome.py` maps them to each version's codes."""

from __future__ import annotations


class DeskFault(Exception):
    """No answer was reached. The text is for our own logs and never for a caller."""


class Unavailable(DeskFault):
    """Not now: the queue is full, the server is stopping, the store is away. The caller may ask again later."""


class DeadlinePassed(DeskFault):
    """The caller's deadline passed, or the caller went away, before the request's batch began: nothing was done."""


class Broken(DeskFault):
    """A mistake of ours. The incident is in the log with its traceback; the caller learns its id and no more."""

    def __init__(self, incident: str) -> None:
        super().__init__(f"incident {incident}")
        self.incident = incident
