"""What the fuzzer kept (one input for each way through the code that it found) is played again in every `make test`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.fuzz.target import NAMES, Target, call_of, input_for, open_target

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with open_target() as target:
        yield target


@pytest.mark.parametrize("name", NAMES)
def test_each_call_answers_a_whole_request_so_the_fuzzer_begins_past_the_parser(target: Target, name: str) -> None:
    assert target.run(input_for(name, target.seeds[name].SerializeToString())) is grpc.StatusCode.OK


def test_every_input_that_the_fuzzer_kept_ends_in_an_answer_or_a_refusal(target: Target) -> None:
    ended = Counter((call_of(data).name, target.run(data)) for data in (path.read_bytes() for path in CORPUS) if data)
    assert {name for name, _ in ended} == set(NAMES)
    assert {code for _, code in ended} >= {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}
