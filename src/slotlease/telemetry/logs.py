"""Logs, and the report of what should never happen. Nothing of a customer's may reach either.

So an exception is told by its type and by where it went through, never by its text: a database's error quotes values.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from traceback import StackSummary, walk_tb
from typing import TextIO, cast

import structlog
from structlog.typing import Processor

Report = Callable[[BaseException], str]

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)

_log = structlog.get_logger("slotlease")


def set_up_logs(form: str = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Sends every log line to `stream` (stderr where none is given), from `level` (debug, info, warning, error) up.

    `form`: console for people, json for programs, auto: console where the stream is a terminal.
    """
    stream = stream or sys.stderr
    for_people = form == "console" or (form == "auto" and stream.isatty())
    number = logging.getLevelNamesMapping()[level.upper()]
    render: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty()) if for_people else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_texts,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Lossy(stream))),
    )
    logging.basicConfig(handlers=[_Libraries()], level=max(number, logging.WARNING), force=True)


def reporter(new_incident: Callable[[], str], count: Callable[[], None] = lambda: None) -> Report:
    """What the desk and the interceptor call with an exception that nobody expected: it is logged under a new incident
    id, which is all that the caller is told."""

    def report(error: BaseException) -> str:
        incident = new_incident()
        count()
        _log.error("incident", incident=incident, **told_of(error))
        return incident

    return report


def told_of(error: BaseException) -> dict[str, object]:
    """What may be said of an exception: its type, its frames as file:line:function, and the types behind it."""
    frames = StackSummary.extract(walk_tb(error.__traceback__), lookup_lines=False)
    told: dict[str, object] = {
        "error": _type_of(error),
        "frames": [f"{frame.filename}:{frame.lineno}:{frame.name}" for frame in frames],
    }
    behind: list[str] = []
    seen = {id(error)}
    cause = error.__cause__ or error.__context__
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        behind.append(_type_of(cause))
        cause = cause.__cause__ or cause.__context__
    return told | ({"caused_by": behind} if behind else {})


class _Lossy:
    """A stream that may fail: a call that was answered must not end as a fault because the log's disk is full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


class _Libraries(logging.Handler):
    """What libraries log. Their message goes along as its template, without what they would fill into it."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        facts = {} if error is None else told_of(error)
        # Libraries may have levels of their own; structlog knows the standard ones only.
        level = max((known for known in _LEVELS if known <= record.levelno), default=logging.DEBUG)
        _log.log(level, "library", library=record.name, message=str(record.msg), **facts)


def _without_texts(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A log line that was given an exception says what may be said of it."""
    info = event.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else sys.exc_info()[1] if info else None
    return event if error is None else {**event, **told_of(error)}


def _type_of(error: BaseException) -> str:
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}"
