"""How latencies are judged by Google's thresholds."""

from __future__ import annotations

import pytest

from slotlease.verify.answer import OK, UNAVAILABLE, Answer
from slotlease.verify.caller import CREATE_BOOKING, LOOK_UP, STATUS
from slotlease.verify.case import Outcome
from slotlease.verify.cases_latency import Times, outcome_of, percentile, times

QUICK_S = 0.01


def call(took_s: float, word: str = OK) -> Answer[object]:
    return Answer("", word, None, "", "", b"", "", took_s)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([7.0], 0.99) == 7.0


def test_errors_are_a_share_of_all_calls() -> None:
    measured = times([call(1.0), call(2.0), call(3.0), call(4.0, UNAVAILABLE)])
    assert measured == Times(0.25, 2.0, 4.0, 4.0)


@pytest.mark.parametrize(
    ("method", "measured", "outcome"),
    [
        (CREATE_BOOKING, Times(0.0, QUICK_S, QUICK_S, QUICK_S), Outcome.PASS),
        (CREATE_BOOKING, Times(0.049, QUICK_S, 3.99, 3.99), Outcome.PASS),
        pytest.param(CREATE_BOOKING, Times(0.05, QUICK_S, QUICK_S, QUICK_S), Outcome.FAIL, id="5 % is not below 5 %"),
        pytest.param(CREATE_BOOKING, Times(0.0, 4.0, 4.0, 4.0), Outcome.FAIL, id="the median is over in any reading"),
        pytest.param(CREATE_BOOKING, Times(0.0, QUICK_S, 4.0, 4.0), Outcome.WARN, id="p95 is over, left open"),
        pytest.param(CREATE_BOOKING, Times(0.0, QUICK_S, QUICK_S, 4.0), Outcome.WARN, id="p99 is over, left open"),
        pytest.param(LOOK_UP, Times(0.0, 1.5, 1.5, 1.5), Outcome.FAIL, id="a lookup has less time"),
        pytest.param(STATUS, Times(1.0, 60.0, 60.0, 60.0), Outcome.PASS, id="no page states figures"),
    ],
)
def test_thresholds_are_googles(method: str, measured: Times, outcome: Outcome) -> None:
    assert outcome_of(method, measured) is outcome
