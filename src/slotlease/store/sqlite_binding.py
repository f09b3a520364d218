"""Rows bound by place. SQLite gives a statement's named parameters the places in which it first meets them, and binds
to places in half the time that it takes to look each name up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from operator import itemgetter

import apsw

from slotlease.store.rows import Params, Row

_NAME = re.compile(r":(\w+)")


def run_each(connection: apsw.Connection, sql: str, params: Iterable[Params]) -> Iterator[Row]:
    """Runs the statement with each of the parameters; the rows of all, one after the other, none kept."""
    return connection.executemany(sql, map(_by_place(sql), params))


@cache
def _by_place(sql: str) -> Callable[[Params], Row]:
    first, *others = dict.fromkeys(_NAME.findall(sql))
    return itemgetter(first, *others) if others else lambda params: (params[first],)
