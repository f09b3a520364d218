"""`slotlease events`: what happened to bookings, for the systems that must hear of it."""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from slotlease.cli.asking import duration_us
from slotlease.cli.ledger import CommandFailed, FileOption, StoreOption, open_ledger, settings_from
from slotlease.cli.output import in_words, instant, slot_facts
from slotlease.domain.event import EventTold
from slotlease.domain.event_cursor import cursor_of, seen_of
from slotlease.domain.slot import SECOND_US
from slotlease.store.address import shown
from slotlease.store.protocol import Store, StoreUnavailable

PAGE = 500
"""Events read in one snapshot."""

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def events(
    *,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="The cursor of the last event you have dealt with.")
    ] = None,
    merchant: Annotated[str | None, typer.Option(metavar="ID", help="Only this merchant's events.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more until Ctrl-C or SIGTERM.")] = False,
    every: Annotated[str, typer.Option(metavar="DURATION", help="With --follow: how often to look.")] = "1s",
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Print this many at most, then end.")] = None,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line for each event.")] = False,
) -> None:
    """Tell what happened to bookings.

    Created, confirmed, declined, moved, canceled, and by whom. Each JSON line carries the cursor to continue from.
    Keep it together with whatever you did about the event; then each event reaches you at least once, and twice
    only if you stop in between. Without --after, from the first event on. A merchant's events come in their order;
    between merchants there is none. Nothing personal is printed.
    """
    wait_s = duration_us(every, "--every") / SECOND_US
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        _require_merchant(ledger, merchant, shown(settings.store))
        reader = _Reader(ledger, _seen(ledger, after), merchant, as_json, limit)
        if not follow:
            while reader.print_page():
                pass
            reader.say_where_to_continue()
            return
        with _until_stopped() as stopped:
            while not (reader.done or stopped(0 if _page_or_excuse(reader) else wait_s)):
                pass


class _Reader:
    """Prints events page by page and remembers how far it came."""

    def __init__(
        self, ledger: Store, seen: dict[int, int], merchant: str | None, as_json: bool, limit: int | None
    ) -> None:
        self._ledger = ledger
        self._seen = seen
        self._merchant = merchant
        self._as_json = as_json
        self._left = limit

    @property
    def done(self) -> bool:
        return self._left == 0

    def print_page(self) -> bool:
        """Whether there may be more at once. Raises StoreUnavailable, and then nothing of the page was printed."""
        wanted = PAGE if self._left is None else min(PAGE, self._left)
        page = self._ledger.events(after=self._seen, merchant_id=self._merchant, limit=wanted) if wanted else ()
        for event in page:
            self._seen[event.merchant_no] = event.event_no
            self._print(event)
        if self._left is not None:
            self._left -= len(page)
        return len(page) == PAGE

    def say_where_to_continue(self) -> None:
        """For people; programs have it in each line."""
        if not self._as_json:
            typer.echo(f"Continue with: --after {self._cursor()}", err=True)

    def _print(self, event: EventTold) -> None:
        facts = event_facts(event)
        if self._as_json:
            typer.echo(json.dumps({"cursor": self._cursor(), **facts}))
            return
        names = ("at", "event", "by", "booking_id", "status", "merchant", "service", "start")
        typer.echo("  ".join(in_words(name, facts[name]) for name in names))

    def _cursor(self) -> str:
        return cursor_of(self._seen, self._ledger.fingerprint_key)


def event_facts(event: EventTold) -> dict[str, object]:
    """Nothing personal. `event_no` orders the merchant's events; status, revision and slot are those after it."""
    return {
        "event": event.kind.value,
        "by": event.actor.value,
        "at": instant(event.at_us),
        "event_no": event.event_no,
        "booking_id": event.booking_id,
        "revision": event.revision,
        "status": event.status.name,
        **slot_facts(event.slot),
        "spot": event.spot_no,
    }


def _seen(ledger: Store, after: str | None) -> dict[int, int]:
    if after is None:
        return {}
    seen = seen_of(after, ledger.fingerprint_key)
    if seen is None:
        message = "this is no cursor of this ledger; take one that `slotlease events` printed here, whole"
        raise typer.BadParameter(message, param_hint="--after")
    return seen


def _require_merchant(ledger: Store, merchant: str | None, address: str) -> None:
    if merchant is not None and merchant not in ledger.merchant_names():
        message = f"no merchant {in_words('merchant', merchant)} on {address}; look up its id in your merchants feed"
        raise CommandFailed(message)


def _page_or_excuse(reader: _Reader) -> bool:
    """A follower outlasts what passes: it says so and looks again."""
    try:
        return reader.print_page()
    except StoreUnavailable as error:
        typer.echo(f"slotlease: the ledger could not be read now ({error}); looking again", err=True)
        return False


@contextmanager
def _until_stopped() -> Iterator[_Stopped]:
    """Catches SIGTERM and Ctrl-C. A second one no longer waits for anything."""
    stopped = _Stopped()
    before = {number: signal.signal(number, stopped.note) for number in _STOP_SIGNALS}
    woken_by = signal.set_wakeup_fd(stopped.write_end)
    try:
        yield stopped
    finally:
        signal.set_wakeup_fd(woken_by)
        for number, handler in before.items():
            signal.signal(number, handler)
        stopped.close()


class _Stopped:
    """A signal writes into a pipe, so that one which comes just before the wait is not slept through."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self.write_end, False)
        self._noted = False

    def note(self, _number: int, _frame: FrameType | None) -> None:
        self._noted = True
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    def __call__(self, wait_s: float) -> bool:
        """Waits that long, or until a signal came; whether one did."""
        if not self._noted:
            select.select([self._read_end], [], [], wait_s)
        return self._noted

    def close(self) -> None:
        os.close(self._read_end)
        os.close(self.write_end)
