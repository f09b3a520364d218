"""The report that build servers read: JUnit's XML, a suite for each group."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET

from slotlease.verify.case import Outcome, Result
from slotlease.verify.report import Head, by_group, outcomes, shortened
from slotlease.verify.run import Done
from slotlease.verify.shop import instant

_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(head: Head, done: Done) -> str:
    """A warning is a test that passed and says so; what could not be tried is an error where the run needs it."""
    root = ET.Element("testsuites", name=f"slotlease verify {head.version.value} {head.address}")
    for group, results in by_group(done).items():
        counts = outcomes(results)
        missing = sum(_is_error(result, done) for result in results)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=f"slotlease.verify.{group}",
            tests=str(len(results)),
            failures=str(counts[Outcome.FAIL]),
            errors=str(missing),
            skipped=str(counts[Outcome.SKIPPED] + counts[Outcome.NOT_TRIED] - missing),
            time=f"{sum(result.took_s for result in results):.3f}",
            timestamp=instant(head.began_us).rstrip("Z"),
        )
        for result in results:
            _add(suite, result, done)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _is_error(result: Result, done: Done) -> bool:
    return result in done.unproved and result.outcome is not Outcome.FAIL


def _add(suite: ET.Element, result: Result, done: Done) -> None:
    case = result.case
    name = f"slotlease.verify.{case.group}"
    entry = ET.SubElement(suite, "testcase", classname=name, name=case.id, time=f"{result.took_s:.3f}")
    told = "; ".join(f"expected {one.expected}, came {one.came}" for one in result.findings) or result.why
    if result.outcome is Outcome.FAIL:
        _say(ET.SubElement(entry, "failure", message=_clean(told), type=case.id), in_full(result))
    elif _is_error(result, done):
        _say(ET.SubElement(entry, "error", message=_clean(told), type=result.outcome.value), in_full(result))
    elif result.outcome in {Outcome.SKIPPED, Outcome.NOT_TRIED}:
        ET.SubElement(entry, "skipped", message=_clean(told))
    if result.outcome is Outcome.WARN or result.notes:
        warned = [f"warning: {told}"] if result.outcome is Outcome.WARN else []
        _say(ET.SubElement(entry, "system-out"), "\n".join([*warned, *result.notes]))


def in_full(result: Result) -> str:
    """All that is known of a case that did not pass, as text."""
    case = result.case
    lines = [f"{case.id}: {case.title}", f"rule: {case.rule}", f"source: {case.source}", f"look at: {case.hint}"]
    if result.why:
        lines.append(result.why)
    for finding in result.findings:
        lines += [f"expected: {finding.expected}", f"came: {finding.came}"]
    for call in result.calls:
        lines += ["", f"{call.method}, {call.took_s * 1000:.1f} ms", "sent:", shortened(call.sent)]
        lines += ["came:", shortened(call.came)]
    return "\n".join(lines)


def _say(element: ET.Element, text: str) -> None:
    element.text = _clean(text)


def _clean(text: str) -> str:
    """XML has no place for most control characters."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
