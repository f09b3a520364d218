"""The operator's pages and alert rules, held to what the server really tells."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from slotlease.domain.failure import Cause
from slotlease.telemetry.logs import KEYS, KEYS_LEFT_OUT
from slotlease.telemetry.metrics import CALL_BUCKETS_S, Metrics
from slotlease.telemetry.workers import SupervisorMetrics
from tests.wire.whole_requests import CALLS

OPERATE = Path(__file__).parents[2] / "docs" / "operate"
RULES = OPERATE / "alerts.yml"
PAGE = (OPERATE / "README.md").read_text("utf-8")
FROM_PROMETHEUS = {"up", "process_open_fds", "process_max_fds"}
"""`up` is Prometheus's own; `process_*` come with its client library, on Linux."""

GOOGLES: dict[str, tuple[float, float]] = {
    "BatchAvailabilityLookup": (0.03, 1.5),
    "CreateBooking": (0.05, 4),
    "UpdateBooking": (0.05, 4),
    "CheckAvailability": (0.10, 5),
    "CreateLease": (0.10, 5),
}
"""The share of errors that is too much, and the seconds that an answer may take."""


@cache
def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def alert(name: str) -> dict[str, Any]:
    (rule,) = [rule for rule in rules() if rule.get("alert") == name]
    return rule


@cache
def listed() -> dict[str, frozenset[str]]:
    """Every metric by the name that it is documented by, with its labels."""
    metrics = [*vars(Metrics()).values(), *vars(SupervisorMetrics()).values()]
    ours = [metric for metric in metrics if hasattr(metric, "_labelnames")]
    return {
        metric._name + ("_total" if metric._type == "counter" else ""): frozenset(metric._labelnames)  # noqa: SLF001 - the library tells it no other way
        for metric in ours
    }


def names_in(expression: str) -> set[str]:
    found = set(re.findall(r"\b(?:slotlease|rpc_server|process)_\w+|\bup\b", expression))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def test_every_metric_is_on_the_operators_page_with_its_labels_and_the_page_has_no_other() -> None:
    rows = re.findall(r"^\| `((?:slotlease|rpc)_\w+)` \| ([\w, ]*)\|", PAGE, re.MULTILINE)
    assert {name: frozenset(labels.replace(",", " ").split()) for name, labels in rows} == listed()


def test_every_metric_that_a_rule_names_exists() -> None:
    named = set().union(*(names_in(rule["expr"]) for rule in rules()))
    assert named <= listed().keys() | FROM_PROMETHEUS
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert set(re.findall(r"slotlease:\w+:\w+", RULES.read_text("utf-8"))) == recorded


def test_a_rule_compares_only_labels_and_values_that_there_are() -> None:
    values = {
        "code": {"OK", "UNAVAILABLE"},
        "cause": {cause.value for cause in Cause},
        "became": {"granted", "consumed", "expired", "released"},
        "le": {str(limit) for limit in CALL_BUCKETS_S},
        "method": {call.method for call in CALLS.values()},
        "rpc_method": {call.method for call in CALLS.values()},
        "limit": {rule["labels"]["limit"] for rule in rules() if "limit" in rule.get("labels", {})},
        "job": {"slotlease"},
    }
    for rule in rules():
        for label, value in re.findall(r'(\w+)(?:=|!=|=~)"([^"]*)"', rule["expr"]):
            assert set(re.findall(r"[\w.]+", value.removeprefix(".+/"))) <= values[label], rule


@pytest.mark.parametrize("method", GOOGLES)
def test_the_rules_have_googles_limits_and_warn_at_half_of_each(method: str) -> None:
    errors_max, seconds_max = GOOGLES[method]
    (limit,) = [
        rule["labels"]["limit"]
        for rule in rules()
        if rule.get("record") == "slotlease:slow_ratio:rate30m" and method in rule["expr"]
    ]
    assert float(limit) == seconds_max
    for where, share in (("Past", 1.0), ("Near", 0.5)):
        (errors,) = re.findall(
            rf'method=~?"[^"]*{method}[^"]*"}} > ([\d.]+)', alert(f"SlotleaseErrors{where}GooglesLimit")["expr"]
        )
        (slow,) = re.findall(
            rf'limit="{re.escape(limit)}"}} > ([\d.]+)', alert(f"SlotleaseSlow{where}GooglesLimit")["expr"]
        )
        assert float(errors) == float(slow) == pytest.approx(errors_max * share)
    assert re.search(rf"^\|[^|]*{method}[^|]*\| < {errors_max * 100:g} % \| {seconds_max:g} s", PAGE, re.MULTILINE)


def test_the_operator_is_told_what_to_do_about_each_alert() -> None:
    alerts = {rule["alert"] for rule in rules() if "alert" in rule} - {"SlotleaseCertificateEndsNow"}
    table = PAGE.partition("## What to do when")[2]
    assert set(re.findall(r"\bSlotlease[A-Z]\w+", table)) == alerts
    for rule in rules():
        assert "record" in rule or rule["labels"]["severity"] in {"page", "ticket"}
        assert "record" in rule or rule["annotations"]["summary"]


def test_every_key_of_a_log_line_is_on_the_operators_page_and_the_page_has_no_other() -> None:
    table = PAGE.partition("| key |")[2].partition("\n\n")[0]
    keys = {key for row in table.splitlines()[2:] for key in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert keys == KEYS
    assert f"`{KEYS_LEFT_OUT}`" in PAGE


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_itself_takes_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True)  # noqa: S603, S607 - where there is one
