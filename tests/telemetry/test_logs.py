"""What a log line may say."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

import slotlease
from slotlease.telemetry import on_stray_of_loop, reporter, set_up_logs
from slotlease.telemetry.logs import KEYS, KEYS_LEFT_OUT

LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log", "bind"}


class CustomerAda(Exception):
    """Stands for a database's error, which quotes the values it was given."""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    set_up_logs("json", "info", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def book(telephone: str) -> None:
    try:
        int(telephone)
    except ValueError as error:
        raise CustomerAda("UNIQUE failed: " + telephone) from error


def test_a_mistake_is_logged_by_its_type_and_its_frames_and_never_by_its_text(log: io.StringIO) -> None:
    with pytest.raises(CustomerAda) as raised:
        book("+31 20 canary")
    assert reporter(lambda: "i-1")(raised.value) == "i-1"
    line = json.loads(log.getvalue())
    assert (line["event"], line["level"], line["incident"]) == ("incident", "error", "i-1")
    assert line["error"].endswith(".CustomerAda")
    assert line["caused_by"] == ["builtins.ValueError"]
    assert [frame.rpartition(":")[2] for frame in line["frames"]] == [
        "test_a_mistake_is_logged_by_its_type_and_its_frames_and_never_by_its_text",
        "book",
    ]
    assert "canary" not in log.getvalue()


def test_a_library_is_logged_without_what_it_would_fill_in(log: io.StringIO) -> None:
    try:
        book("canary")
    except CustomerAda:
        logging.getLogger("some.library").exception("cannot serve %s", "canary")
    line = json.loads(log.getvalue())
    assert (line["library"], line["message"]) == ("some.library", "cannot serve %s")
    assert line["error"].endswith(".CustomerAda")
    assert "canary" not in log.getvalue()


def test_an_exception_given_to_our_own_log_says_no_more(log: io.StringIO) -> None:
    try:
        book("canary")
    except CustomerAda:
        structlog.get_logger("slotlease").warning("put off", exc_info=True)
    assert json.loads(log.getvalue())["error"].endswith(".CustomerAda")
    assert "canary" not in log.getvalue()


def test_a_level_of_a_librarys_own_is_logged_as_the_one_below_it(log: io.StringIO) -> None:
    logging.getLogger("some.library").log(35, "so so")
    assert json.loads(log.getvalue())["level"] == "warning"


def test_what_is_below_the_level_is_not_logged(log: io.StringIO) -> None:
    structlog.get_logger("slotlease").debug("a detail")
    logging.getLogger("some.library").info("a detail")
    assert log.getvalue() == ""


def test_people_get_lines_that_people_can_read() -> None:
    stream = io.StringIO()
    set_up_logs("console", "info", stream)
    try:
        structlog.get_logger("slotlease").info("call", method="CreateLease", code="OK")
    finally:
        structlog.reset_defaults()
    assert "method=CreateLease" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.usefixtures("log")
def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    full = Path("/dev/full").open("w", encoding="utf-8", buffering=1)  # noqa: SIM115 - it cannot be closed well
    set_up_logs("json", stream=full)
    structlog.get_logger("test").info("lost")
    logging.getLogger("a.library").warning("lost too")
    with suppress(OSError):
        full.close()


def test_a_log_that_was_closed_stops_nobody() -> None:
    stream = io.StringIO()
    set_up_logs("json", "info", stream)
    stream.close()
    structlog.get_logger().error("call")


def test_a_key_that_is_not_on_the_list_is_left_out_and_named(log: io.StringIO) -> None:
    structlog.get_logger("slotlease").info("call", method="v2.CreateLease", telephone="canary", request="canary")
    line = json.loads(log.getvalue())
    assert line.pop(KEYS_LEFT_OUT) == ["request", "telephone"]
    del line["timestamp"]
    assert line == {"event": "call", "level": "info", "method": "v2.CreateLease"}


def test_every_key_that_the_code_logs_is_on_the_list() -> None:
    """By its words: a call on a logger, and its keywords."""
    logged: set[str] = set()
    for path in Path(slotlease.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=called, attr=method)) if method in LOG_METHODS and ast.unparse(
                    called
                ).endswith(("log", "get_logger('slotlease.wire')")):
                    logged.update(keyword.arg for keyword in node.keywords if keyword.arg is not None)
    assert {"incident", "duration_ms", "method", "deleted"} <= logged
    assert logged <= KEYS


def test_a_library_that_filled_in_its_own_message_is_told_by_its_place(log: io.StringIO) -> None:
    telephone = "canary"
    logging.getLogger("some.library").warning(f"no such user {telephone}")  # noqa: G004 - what a library may do
    line = json.loads(log.getvalue())
    assert "message" not in line
    assert line["where"].startswith("test_logs.py:")
    assert line["where"].endswith(":test_a_library_that_filled_in_its_own_message_is_told_by_its_place")
    assert "canary" not in log.getvalue()


STRAYS = """
import sys, threading
from slotlease.telemetry import reporter, set_up_logs, tell_strays
set_up_logs("json", "debug")
tell_strays(reporter(lambda: "i-1"))
class Customer:
    def __del__(self): raise ValueError("canary")
def fail(): raise ValueError("canary")
thread = threading.Thread(target=fail); thread.start(); thread.join()
customer = Customer(); del customer
fail()
"""


def test_what_nobody_caught_is_reported_and_not_printed() -> None:
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", STRAYS], capture_output=True, text=True, check=False, timeout=60
    )
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [(line["event"], line["error"]) for line in lines] == [("incident", "builtins.ValueError")] * 3
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "canary" not in ended.stderr


def test_stray_of_the_loop_is_an_incident_unless_it_is_a_caller_who_has_gone(log: io.StringIO) -> None:
    told: list[BaseException] = []

    def report(error: BaseException) -> str:
        told.append(error)
        return "i-1"

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(on_stray_of_loop(report))
    mistakes = [ValueError("canary"), TimeoutError("ours")]
    for error in (ConnectionResetError(104, "reset"), TimeoutError(110, "timed out"), *mistakes):
        loop.call_exception_handler({"message": "canary", "exception": error})
    loop.call_exception_handler({"message": "canary"})
    loop.close()
    assert told == mistakes
    assert [json.loads(line)["event"] for line in log.getvalue().splitlines()] == ["event loop"]
    assert "canary" not in log.getvalue()
