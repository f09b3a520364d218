"""The three reports of one run against a server that does wrong: there is none at all."""

from __future__ import annotations

import json
import re
import socket
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from slotlease.verify.answer import Answer
from slotlease.verify.case import Finding, Outcome, Result
from slotlease.verify.cases import every_case
from slotlease.verify.junit import as_junit
from slotlease.verify.page import as_page
from slotlease.verify.report import Head, figures
from slotlease.verify.run import Choice, Done, Remains
from slotlease.verify.shop import Version
from tests.cli.running import Outcome as Ended
from tests.cli.running import run
from tests.verify.judging import example_ledger


@pytest.fixture
def outcome(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ended:
    _, feeds = example_ledger(tmp_path)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        words = ("--api", "v2", "--availability", str(feeds[0]), "--only", "connection.health,lease", "--no-wait")
        return run(capsys, "verify", address, *words, "--seed", "one", "--output_dir", str(tmp_path / "out"))


def test_a_server_that_is_not_there_passes_nothing_and_every_report_says_so(outcome: Ended, tmp_path: Path) -> None:
    assert outcome.code == 1
    assert "FAIL connection.health: health answers by the booking service's name" in outcome.out
    assert "--seed one" in outcome.out
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    by_id = {one["id"]: one for one in report["cases"]}
    assert report["passed"] is False
    assert {one["outcome"] for one in by_id.values() if one["required"]} <= {"fail", "not tried", "skipped"}
    failed = by_id["connection.health"]
    assert failed["findings"][0]["expected"] == "OK"
    assert failed["findings"][0]["came"].startswith("UNAVAILABLE: ")
    assert failed["calls"][0]["method"] == "Health"
    assert "BookingService" in failed["calls"][0]["sent"]


def test_build_servers_count_what_failed_and_what_could_not_be_tried(outcome: Ended, tmp_path: Path) -> None:
    assert outcome.code == 1
    suites = ET.parse(tmp_path / "out" / "report.xml").getroot()  # noqa: S314 - our own
    lease = next(suite for suite in suites if suite.get("name") == "slotlease.verify.lease")
    assert int(lease.get("failures", 0)) == len(lease.findall("testcase/failure")) > 0
    assert int(lease.get("errors", 0)) == len(lease.findall("testcase/error")) > 0
    assert int(lease.get("skipped", 0)) == len(lease.findall("testcase/skipped")) > 0
    assert int(lease.get("tests", 0)) == len(lease.findall("testcase"))


def test_the_page_needs_nothing_from_anywhere_and_shows_what_was_sent(outcome: Ended, tmp_path: Path) -> None:
    assert outcome.code == 1
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert not re.search(r"""(src|href)=["'](?!#)|url\(|@import|<script""", page)
    assert "did not pass" in page
    assert "ext.maps.booking.partner.v2.BookingService" in page
    opened: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - its signature
            if tag != "meta":
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Tags().feed(page)
    assert opened == []


def test_what_a_server_says_can_neither_spoil_the_page_nor_the_xml() -> None:
    said = '<script>alert("1")</script> & \x1b[2J ]]>'
    answer: Answer[object] = Answer("CreateLease", "INTERNAL", None, said, said, b"", said, 0.1)
    case = next(one for one in every_case() if one.id == "lease.offered")
    result = Result(case, Outcome.FAIL, (Finding("OK", said, answer),), calls=(answer,), notes=(said,))
    done = Done((result,), Remains((), 0, 0), (answer,), Choice())
    head = Head("127.0.0.1:1", Version.V2, "<seed>", 0, 1.0)
    page = as_page(head, done)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;seed&gt;" in page
    failure = ET.fromstring(as_junit(head, done)).find("testsuite/testcase/failure")  # noqa: S314 - our own
    assert failure is not None
    assert failure.text is not None
    assert '<script>alert("1")</script> & \N{REPLACEMENT CHARACTER}[2J ]]>' in failure.text


def test_figures_are_shown_where_nothing_is_wrong_too() -> None:
    case = next(one for one in every_case() if one.id == "latency.check")
    result = Result(case, Outcome.PASS, notes=("p50 1.0 ms",))
    done = Done((result,), Remains((), 0, 0), (), Choice())
    assert figures(done) == [("latency.check", "p50 1.0 ms")]
    page = as_page(Head("127.0.0.1:1", Version.V2, "one", 0, 1.0), done)
    assert "<td><code>latency.check</code></td><td>p50 1.0 ms</td>" in page
