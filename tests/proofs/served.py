"""The process that serves, and what befalls it: a statement that fails, a disk that stays broken, an end at any
statement. What it leaves is a copy of its files as they lay, opened by the next one."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random  # noqa: TID251 - the seed is the argument: it is what makes a run repeatable

from slotlease.desk.fault import DeskFault, Unavailable
from slotlease.desk.operation import Operation
from slotlease.desk.sweep_leases import sweep
from slotlease.store.open import open_store
from slotlease.store.protocol import Finding, StoreFault
from tests.model.ledger_image import open_ledger
from tests.proofs.judge import Judge, Violation
from tests.proofs.ledger_file import LEDGER, Content, content, copy_ledger, difference, url_of
from tests.proofs.tripwire import DATA, Failure, Killed, Tripwire
from tests.support import HandClock, Shop, slot_row


@dataclass(frozen=True, slots=True)
class Trouble:
    """What befalls one batch. `at` counts its statements; `at_commit` waits for its COMMIT instead; `stays` until
    somebody repairs the disk."""

    failure: Failure
    at: int
    at_commit: bool
    stays: bool

    def __str__(self) -> str:
        place = "COMMIT" if self.at_commit else f"statement {self.at}"
        return f"({self.failure} at {place}{' and on' if self.stays else ''})"

    @property
    def kills(self) -> bool:
        return self.failure.error is Killed


class Served:
    """`folder`/0 holds the ledger; each process that follows has a folder of its own beside it."""

    def __init__(self, folder: Path, clock: HandClock, tripwire: Tripwire, judge: Judge, counts: Counter[str]) -> None:
        self._root = folder
        self._clock = clock
        self._tripwire = tripwire
        self._judge = judge
        self._counts = counts
        self._life = 0
        self._copies = 0
        self._broken = False
        self._open()

    # --- one process after the other ---------------------------------------------------------------------------

    @property
    def _folder(self) -> Path:
        return self._root / str(self._life)

    def _open(self) -> None:
        self._tripwire.disarm()
        self._broken = False
        self._shop = Shop(open_store(url_of(self._folder), self._clock), self._clock)
        self._ledger = open_ledger(self._folder / LEDGER)
        self._ledger.exec_trace = None

    def close(self) -> None:
        self._ledger.close()
        self._shop.store.close()
        self._tripwire.disarm()

    def restart(self) -> None:
        """In good order."""
        self.close()
        self._open()
        self._counts["restarts"] += 1

    def stop(self) -> None:
        """At once. Files are copied as they lie, before anything that is open can be closed properly."""
        copy_ledger(self._folder, self._root / str(self._life + 1))
        self.close()
        shutil.rmtree(self._folder)
        self._life += 1
        self._open()
        self._counts["processes stopped"] += 1

    def repair(self) -> None:
        self._tripwire.disarm()
        self._broken = False

    # --- batches -----------------------------------------------------------------------------------------------

    def write(self, operations: Sequence[Operation[object]], trouble: Trouble | None) -> list[object] | None:
        """One batch, judged; None where nobody lived to answer. Raises Violation."""
        before = self._begin(trouble)
        self._counts["batches of writes"] += 1
        self._counts["requests decided"] += len(operations)
        answers: list[object] | None = None
        with suppress(Killed):
            answers = self._shop.batches.write(operations)
        sprung_at = self._end(trouble)
        if trouble is not None and trouble.kills:
            answers = None
            self.stop()
        if answers is None or any(isinstance(answer, Unavailable) for answer in answers):
            self._nobody_was_told(before, operations, answers)
        elif trouble is not None and trouble.failure.after and sprung_at:
            self._counts["commits of unknown outcome"] += 1
            self._judge.judge_rerun(operations, self._as_if_nothing_happened(before, operations)[0], answers)
        else:
            self._judge.judge(operations, answers, may_break=_breaks(trouble))
        self.look()
        self._forget(before)
        return answers

    def read(self, operations: Sequence[Operation[object]], trouble: Trouble | None) -> list[object] | None:
        before = self._begin(trouble)
        self._counts["batches of reads"] += 1
        answers: list[object] | None = None
        with suppress(Killed):
            answers = self._shop.batches.read(operations)
        self._end(trouble)
        if trouble is not None and trouble.kills:
            answers = None
            self.stop()
        if answers is None or any(isinstance(answer, Unavailable) for answer in answers):
            self._nobody_was_told(before, operations, answers)
        else:
            self._judge.judge(operations, answers, may_break=_breaks(trouble))
        self._forget(before)
        return answers

    def sweep(self, trouble: Trouble | None) -> int | None:
        """Two leases in a transaction, so that it can be stopped half-way."""
        before = self._begin(trouble)
        buried: int | None = None
        with suppress(Killed, DeskFault, StoreFault):
            buried = sweep(self._shop.store, self._shop.ask, piece=2)
        undisturbed = trouble is None and not self._broken
        self._end(trouble)
        if trouble is not None and trouble.kills:
            buried = None
            self.stop()
        if buried is not None and undisturbed:
            self._judge.swept(buried)
        elif undisturbed:
            message = "a sweep failed and nothing was wrong"
            raise Violation(message)
        else:
            self._judge.swept_in_part()
        self.look()
        self._forget(before)
        return buried

    def look(self) -> None:
        self._judge.look(self._ledger)

    def audit(self) -> Sequence[Finding]:
        return self._shop.store.audit()

    # --- the office --------------------------------------------------------------------------------------------

    def change_a_slot(self, rng: Random) -> str:
        """An import beside the server, as another process would do it: over connections of its own."""
        self.repair()
        merchant_id, slots = rng.choice(sorted(self._judge.offered().items()))
        offered = rng.choice(slots)
        changed = rng.choice(
            [
                replace(offered, spots_total=rng.randint(0, 4), spots_elsewhere=0),
                replace(offered, closed=not offered.closed),
                replace(offered, availability_tag=rng.choice(["", "tag", "new"])),
            ]
        )
        office = open_store(url_of(self._folder), self._clock)
        (merchant,) = [one for one in office.merchants() if one.merchant_id == merchant_id]
        office.put_slots(merchant.merchant_no, [slot_row(merchant, changed)])
        office.close()
        self._judge.stocked(merchant_id, changed, self._ledger)
        self._counts["slots changed"] += 1
        return f"{merchant_id} {changed}"

    # --- what became of a batch --------------------------------------------------------------------------------

    def _begin(self, trouble: Trouble | None) -> Path | None:
        if trouble is None:
            return self._copy() if self._broken else None
        before = self._copy()
        if trouble.at_commit:
            self._tripwire.arm_where(trouble.failure, lambda _, sql, __: sql == "COMMIT")
        else:
            self._tripwire.arm(trouble.failure, trouble.at, stays=trouble.stays)
        return before

    def _end(self, trouble: Trouble | None) -> str:
        """The statement that was made to fail."""
        sprung_at = self._tripwire.sprung_at
        if trouble is None:
            return ""
        if sprung_at:
            self._counts[f"statements failed: {'stop' if trouble.kills else trouble.failure}"] += 1
        if trouble.stays:
            self._broken = True
        elif not trouble.kills:
            self._tripwire.disarm()
        return sprung_at

    def _copy(self) -> Path:
        self._copies += 1
        return copy_ledger(self._folder, self._root / f"copy-{self._copies}")

    def _forget(self, copy: Path | None) -> None:
        if copy is not None:
            shutil.rmtree(copy)

    def _nobody_was_told(
        self, before: Path | None, operations: Sequence[Operation[object]], answers: list[object] | None
    ) -> None:
        """All of the batch is on the ledger, or nothing of it (INV-19); the model follows what is."""
        if before is None:
            message = f"{answers} was answered and nothing was wrong"
            raise Violation(message)
        if answers is not None and not all(isinstance(answer, Unavailable) for answer in answers):
            message = f"some of a batch were answered and some were not: {answers}"
            raise Violation(message)
        found = content(self._folder)
        if found == content(before):
            self._counts["batches lost whole"] += 1
            return
        due, whole = self._as_if_nothing_happened(before, operations)
        if found != whole:
            message = f"half a batch is on the ledger:\n{difference(whole, found)}"
            raise Violation(message)
        self._judge.judge(operations, due)
        self._counts["batches kept whole, untold"] += 1

    def _as_if_nothing_happened(
        self, before: Path | None, operations: Sequence[Operation[object]]
    ) -> tuple[list[object], Content]:
        """The answers, and the ledger, that the batch comes to where nothing fails."""
        assert before is not None
        with self._tripwire.suspended():
            shop = Shop(open_store(url_of(before), self._clock), self._clock)
            answers = shop.batches.write(operations)
            shop.store.close()
        return answers, content(before)


def _breaks(trouble: Trouble | None) -> bool:
    return trouble is not None and trouble.failure in DATA
