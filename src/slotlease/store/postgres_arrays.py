"""Columns of a batch's rows as PostgreSQL arrays, in its binary form.

Each kind of array has one type whatever is in it. Left to psycopg, an array of small numbers would be of another type
than one of big numbers, or of none: the same statement would be prepared anew for each of them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = struct.Struct("!iiiii")
_LENGTH = struct.Struct("!i")
_NULL = _LENGTH.pack(-1)
_BIGINT, _BYTEA, _TEXT = 20, 17, 25
_BIGINTS, _BYTEAS, _TEXTS = 1016, 1001, 1009


class Bigints(list[int | None]): ...


class Byteas(list[bytes | None]): ...


class Texts(list[str | None]): ...


def array_of(kind: str, values: Sequence[Any]) -> Bigints | Byteas | Texts:
    match kind:
        case "text":
            return Texts(values)
        case "bytea":
            return Byteas(values)
        case _:
            return Bigints(values)


def _header(values: Sequence[object], element: int) -> bytes:
    return _HEADER.pack(1 if values else 0, int(None in values), element, len(values), 1)[: 20 if values else 12]


class _BigintsDumper(Dumper):
    format = Format.BINARY
    oid = _BIGINTS

    def dump(self, obj: Bigints) -> Buffer:
        if None not in obj:
            eights = [number for value in obj for number in (8, value)]
            return _header(obj, _BIGINT) + struct.pack("!" + "iq" * len(obj), *eights)
        items = (_NULL if value is None else struct.pack("!iq", 8, value) for value in obj)
        return _header(obj, _BIGINT) + b"".join(items)


class _ByteasDumper(Dumper):
    format = Format.BINARY
    oid = _BYTEAS

    def dump(self, obj: Byteas) -> Buffer:
        items = (_NULL if value is None else _LENGTH.pack(len(value)) + value for value in obj)
        return _header(obj, _BYTEA) + b"".join(items)


class _TextsDumper(Dumper):
    format = Format.BINARY
    oid = _TEXTS

    def dump(self, obj: Texts) -> Buffer:
        items = (None if value is None else value.encode() for value in obj)
        packed = b"".join(_NULL if item is None else _LENGTH.pack(len(item)) + item for item in items)
        return _header(obj, _TEXT) + packed


def register_arrays(context: psycopg.Connection[Any]) -> None:
    adapters = context.adapters
    for kind, dumper in ((Bigints, _BigintsDumper), (Byteas, _ByteasDumper), (Texts, _TextsDumper)):
        adapters.register_dumper(kind, dumper)
