"""`make fuzz`: atheris (libFuzzer for Python) over every request message of both versions.

    python -m tests.fuzz.run NEW CORPUS... [-max_total_time=60 and other flags of libFuzzer]

Begins with a whole request of each call and the inputs of every CORPUS; inputs that went a new way through the code are
kept in NEW (a folder). What should not be it writes to build/ as crash-...: mend it, and keep it in tests/fuzz/corpus.
That holds, of what was found, one input for each line after a line of wire/, desk/ and domain/, and for each way to
end, that no shorter one took.
"""

from __future__ import annotations

import random  # noqa: TID251 - seeded by libFuzzer
import sys
from pathlib import Path
from typing import Final, cast

import atheris

with atheris.instrument_imports(include=["slotlease.wire", "slotlease.desk", "slotlease.domain"]):
    from tests.fuzz.target import Target, call_of, input_for, open_target

import structlog
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from tests.wire.whole_requests import Part, parts, put

NUMBERS: Final = (0, 1, -1, 2, 3, 7, 1_000, 999_999_999, 1_000_000_000, 2**31 - 1, -(2**31))
LARGE_NUMBERS: Final = (*NUMBERS, 253_402_300_799, -62_135_596_801, 2**62, 2**63 - 1, -(2**63))
TEXTS: Final = (
    "",
    "a",
    "m1",
    "status",
    "slot.start_time",
    "*",
    "\0",
    "\n",
    "\ufeff",
    "\U0010ffff",
    "é" * 41,
    "é" * 4_097,
)


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Half of the time libFuzzer's own, of bytes; else one field of the message gets another value, so that what is
    sent gets past the parser."""
    chance = random.Random(seed)  # noqa: S311 - no secret is made of it
    if data and chance.random() < 0.5:
        call = call_of(data)
        message = call.request()
        try:
            message.ParseFromString(data[1:])
            spoil(chance, message, chance.choice(list(parts(call.name))))
        except (DecodeError, ValueError, IndexError):
            return cast("bytes", atheris.Mutate(data, max_size))
        return input_for(call.name, message.SerializeToString())[:max_size]
    return cast("bytes", atheris.Mutate(data, max_size))


def spoil(chance: random.Random, message: Message, part: Part) -> None:
    value: object
    if part.is_message("google.protobuf.Timestamp"):
        value = Timestamp(seconds=chance.choice(LARGE_NUMBERS), nanos=chance.choice(NUMBERS))
    elif part.is_message("google.protobuf.Duration"):
        value = Duration(seconds=chance.choice(LARGE_NUMBERS), nanos=chance.choice(NUMBERS))
    elif part.field.message_type is not None:
        return
    elif part.is_text:
        value = chance.choice(TEXTS)
    else:
        small = part.field.cpp_type in {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_ENUM}
        value = chance.choice(NUMBERS if small else LARGE_NUMBERS)
    put(message, part.path, value)


def main() -> None:
    # A line for each refusal would be most of the work.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with open_target() as target:
        # libFuzzer starts itself again to merge, and then without folders.
        folders = [Path(word) for word in sys.argv[1:2] if not word.startswith("-")]
        for folder in folders:
            for name, request in target.seeds.items():
                (folder / f"seed-{name}").write_bytes(input_for(name, request.SerializeToString()))
        run(target)


def run(target: Target) -> None:
    def one_input(data: bytes) -> None:
        target.run(data)

    atheris.Setup(sys.argv, one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
