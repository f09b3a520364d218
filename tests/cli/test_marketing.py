"""`slotlease marketing list`: what users want to hear, for the partner's own programs."""

from __future__ import annotations

import json
from pathlib import Path

from slotlease.desk.set_marketing_preference import SetMarketingPreference
from tests.cli.running import run_process
from tests.support import open_shop, user


def listed(folder: Path, *options: str) -> str:
    outcome = run_process("marketing", "list", "--store", f"sqlite:///{folder / 'ledger.db'}", *options, cwd=folder)
    assert outcome.code == 0, outcome.err
    return outcome.out


def test_partner_reads_who_wants_advertising_and_the_table_names_nobody(tmp_path: Path) -> None:
    shop = open_shop(tmp_path)
    assert listed(tmp_path) == "Nobody has said anything about advertising.\n"
    for user_id, receives in (("u1", True), ("u2", False), ("u3", True)):
        shop.ask(SetMarketingPreference(user(user_id), receives))
    shop.store.close()
    told = json.loads(listed(tmp_path, "--json", "--limit", "2"))
    assert [(one["user_id"], one["receives_marketing"]) for one in told] == [("u1", True), ("u2", False)]
    assert told[0] == {
        "user_id": "u1",
        "receives_marketing": True,
        "told": "2026-01-01T12:00:00Z",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "email": "ada@example.com",
        "telephone": "+41 44 000 00 00",
        "language_code": None,
    }
    assert [one["user_id"] for one in json.loads(listed(tmp_path, "--json", "--after", "u2"))] == ["u3"]
    table = listed(tmp_path)
    assert "u3" in table
    assert "Lovelace" not in table
    assert "@" not in table
