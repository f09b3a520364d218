"""What every store must do, whatever database it stands on (`slotlease.store.protocol`).

A backend is a class below this one with one fixture, `backend`: see `test_sqlite_conformance.py`. A backend that
cannot be started fails; it is never skipped.
"""

from __future__ import annotations

from tests.store.conformance_access import KnowsCredentials
from tests.store.conformance_audit import Audits
from tests.store.conformance_guards import DefendsItself
from tests.store.conformance_import import ServesImports
from tests.store.conformance_inventory import CountsOwnBookings, KeepsCatalogues, KeepsSlots
from tests.store.conformance_marketing import KnowsMarketingPreferences
from tests.store.conformance_outbox import KeepsHouse, TellsEvents
from tests.store.conformance_reads import FindsRivals, ShowsWhatIsThere
from tests.store.conformance_rows import KeepsRows
from tests.store.conformance_time import JudgesByTime, ListsForOperators
from tests.store.conformance_turns import KnowsTokens
from tests.store.conformance_writes import WritesAllOrNothing, WritesOnlyOverWhatItSaw


class StoreConformance(
    KeepsRows,
    WritesAllOrNothing,
    WritesOnlyOverWhatItSaw,
    KnowsTokens,
    JudgesByTime,
    ListsForOperators,
    ShowsWhatIsThere,
    FindsRivals,
    KeepsCatalogues,
    KeepsSlots,
    CountsOwnBookings,
    ServesImports,
    TellsEvents,
    KeepsHouse,
    KnowsCredentials,
    KnowsMarketingPreferences,
    DefendsItself,
    Audits,
): ...
