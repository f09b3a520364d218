"""Each parameter reaches the place of its name, whatever order it is given in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import apsw.ext
import pytest

from slotlease.store.rows import Params
from slotlease.store.sqlite import SqliteStore
from slotlease.store.sqlite_binding import run_each
from tests.store.sqlite_backend import raw
from tests.store.test_sqlite_plans import STATEMENTS
from tests.support import HandClock

WITHOUT_PARAMETERS = {"FINGERPRINT_KEY", "PROBE_WRITE", "MERCHANTS", "MERCHANT_NAMES", "CREDENTIALS"}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    path: Path = tmp_path_factory.mktemp("binding") / "ledger.db"
    SqliteStore(str(path), HandClock(), create=True, serve=False).close()
    with raw(path) as connection:
        yield connection


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - WITHOUT_PARAMETERS))
def test_each_parameter_is_bound_where_sqlite_expects_its_name(ledger: apsw.Connection, name: str) -> None:
    expected = tuple(str(name) for name in apsw.ext.query_info(ledger, STATEMENTS[name]).bindings_names)
    params: Params = {name: name for name in [*sorted(expected), "no_such_name"]}
    bound: list[object] = []

    def note_and_refuse(_: apsw.Cursor, __: str, values: object) -> bool:
        bound.append(values)
        return False

    ledger.exec_trace = note_and_refuse
    try:
        with pytest.raises(apsw.ExecTraceAbort):
            list(run_each(ledger, STATEMENTS[name], [params]))
    finally:
        ledger.exec_trace = None
    assert bound == [expected]
