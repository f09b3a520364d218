"""Logs, and the report of what should never happen. Nothing of a customer's may reach either.

So a line has only keys of a list, and an exception is told by its type and by where it went through, never by its text:
a database's error quotes values.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import Callable
from traceback import StackSummary, walk_tb
from types import TracebackType
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import Processor

Report = Callable[[BaseException], str]

KEYS: Final = frozenset(
    # every line
    "event level timestamp "
    # of a call: wire/record.py
    "method code cause duration_ms left_out "
    # of a mistake of ours
    "incident error frames caused_by "
    # of what a library says
    "library message where "
    # of the certificate: certificate.py; its reason names files, and what is wrong with them
    "reason days_left "
    # of the server and its housekeeping: serve.py
    "grace_s before now serving expired deleted days_left "
    # of the supervisor's workers: supervise.py
    "worker exit_code pause_s".split()
)
"""What a line may say; `docs/operate/README.md` says what each means. Another key is left out, and its name is told in
`keys_left_out`: whoever adds one says here that nothing of a customer's is in it."""

KEYS_LEFT_OUT: Final = "keys_left_out"

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
            _known_keys,
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
        with contextlib.suppress(OSError, ValueError):  # ValueError: it was closed
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: it was closed
            self._stream.flush()


def tell_strays(report: Report) -> None:
    """From now on what ends a thread or the process, or is raised where nobody can catch it, is reported like any other
    mistake. Python itself would print the exception's text."""

    def on_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            report(error)

    def on_thread(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is not None:
            report(ended.exc_value)

    def on_uncatchable(raised: sys.UnraisableHookArgs) -> None:
        if raised.exc_value is not None:
            report(raised.exc_value)

    sys.excepthook = on_process
    threading.excepthook = on_thread
    sys.unraisablehook = on_uncatchable


def on_stray_of_loop(report: Report) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """The same for what nobody waits for on an event loop, whose own handler would log the exception's text."""

    def on_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, ConnectionError | TimeoutError) and error.errno is not None:
            # A caller's connection that broke, which the HTTP library lets fall through: no mistake of ours.
            _log.debug("connection broke")
        elif isinstance(error, BaseException):
            report(error)
        else:
            # Not the message: the loop puts in it what a callback was called with.
            _log.error("event loop")

    return on_loop


class _Libraries(logging.Handler):
    """What libraries log. Their message goes along as its template, without what they would fill into it; one that was
    filled in already, or never had anything to fill in, is told by its place."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        facts: dict[str, object] = {} if error is None else told_of(error)
        if record.args:
            facts["message"] = str(record.msg)
        # Libraries may have levels of their own; structlog knows the standard ones only.
        level = max((known for known in _LEVELS if known <= record.levelno), default=logging.DEBUG)
        where = f"{record.filename}:{record.lineno}:{record.funcName}"
        _log.log(level, "library", library=record.name, where=where, **facts)


def _without_texts(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A log line that was given an exception says what may be said of it."""
    info = event.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else sys.exc_info()[1] if info else None
    return event if error is None else {**event, **told_of(error)}


def _known_keys(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    unknown = event.keys() - KEYS
    if not unknown:
        return event
    return {key: value for key, value in event.items() if key in KEYS} | {KEYS_LEFT_OUT: sorted(unknown)}


def _type_of(error: BaseException) -> str:
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}"
