"""docs/verify.md: every case stands there, with its rule and the page of Google's that it comes from."""

from __future__ import annotations

import re
from pathlib import Path

from slotlease.verify.case import GROUPS
from slotlease.verify.cases import every_case

PAGE = Path(__file__).parents[2] / "docs" / "verify.md"
ONLY_WARNS = " *Only warns.*"


def test_the_page_has_each_case_with_its_rule_and_source_and_no_other() -> None:
    rows = re.findall(r"^\| `([\w.-]+)` \| (.+?) \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    made = [(case.id, case.rule + ("" if case.required else ONLY_WARNS), case.source) for case in every_case()]
    assert rows == made


def test_each_case_has_an_id_of_its_own_in_a_group_that_there_is() -> None:
    cases = every_case()
    assert len({case.id for case in cases}) == len(cases) > 60
    assert {case.group for case in cases} <= set(GROUPS)
    assert all(case.rule and case.source and case.hint and case.title for case in cases)
