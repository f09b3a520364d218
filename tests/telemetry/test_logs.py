"""What a log line may say."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from slotlease.telemetry import reporter, set_up_logs


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
