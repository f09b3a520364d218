"""What `slotlease verify` needs before it can begin: a connection, and the feed's slots."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from slotlease.cli.ledger import CommandFailed
from slotlease.verify.answer import Answer
from slotlease.verify.asking import Asking, Left
from slotlease.verify.caller import CHECK, Caller
from slotlease.verify.feed import FeedUnreadable, read_offers
from slotlease.verify.shop import Dialing, Slot, Version
from slotlease.verify.slots import Slots
from slotlease.verify.trial import Options, Surroundings, count_of, hear
from slotlease.verify.versions import CALLERS, can_name


def start(
    version: Version, dialing: Dialing, feeds: Sequence[Path], seed: str, requests: int, options: Options
) -> tuple[Caller, Surroundings]:
    """Raises CommandFailed."""
    dial = CALLERS[version]
    try:
        offers, full = read_offers(feeds, _now_us())
    except FeedUnreadable as error:
        raise CommandFailed(str(error)) from error
    offers, full = ([one for one in some if can_name(version, one.slot)] for some in (offers, full))
    if not offers:
        raise CommandFailed(
            f"none of the feed's free slots can be named in version {version.value[1:]}, which has no party size: give "
            "a feed with others"
        )
    caller = dial(dialing)
    left, absent, calls = Left(requests), set[str](), list[Answer[object]]()

    def note(answer: Answer[object]) -> None:
        calls.append(answer)
        hear(answer, caller.optional, absent)

    def count(slot: Slot) -> int | None:
        number = count_of(asking, slot, absent)
        # A lookup says that there are some, not how many.
        return None if number and CHECK in absent else number

    asking = Asking(caller, note, left)
    count(offers[0].slot)  # so that every case knows which of the two methods there is
    slots = Slots(offers, _now_us(), count)
    around = Surroundings(
        dial=dial,
        dialing=dialing,
        slots=slots,
        offers=offers,
        full=full,
        left=left,
        seed=seed,
        now_us=_now_us,
        pause=time.sleep,
        options=options,
        calls=calls,
        absent=absent,
    )
    return caller, around


def _now_us() -> int:
    return time.time_ns() // 1000
