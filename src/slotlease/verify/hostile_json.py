"""Requests of version 3 that no honest caller sends, made of good ones."""

from __future__ import annotations

import json
from typing import Any, Final

from slotlease.verify.caller import Hostile
from slotlease.verify.hostile import HUGE_BYTES, IDS, Attack

_MARK: Final = "slotlease-mark"


def attack(kind: Hostile, method: str, request: dict[str, Any]) -> Attack:
    """`request` is a good one, as JSON has it; it is changed."""
    good = json.dumps(request)
    slot = request["lease"]["slot"] if "lease" in request else request["slot"]
    match kind:
        case Hostile.NOTHING:
            return Attack(method, b"", "no bytes")
        case Hostile.GARBAGE:
            return Attack(method, b"\xff" * 64, "64 bytes FF")
        case Hostile.TRUNCATED:
            return Attack(method, good[: len(good) // 2].encode(), good[: len(good) // 2])
        case Hostile.BAD_UTF8:
            slot["merchant_id"] = _MARK
            payload = json.dumps(request).encode().replace(_MARK.encode(), b"m\xffmmm")
            return Attack(method, payload, "merchant_id with the byte FF in it")
        case Hostile.UNKNOWN_FIELD:
            request["later"] = {"more": [1, None, "text"]}
        case Hostile.HUGE:
            request["later"] = "x" * HUGE_BYTES
        case Hostile.NO_SUCH_METHOD:
            method = "NoSuchMethod"
        case Hostile.BAD_INSTANT:
            slot["start_sec"] = "99999999999999999999"
        case Hostile.NEGATIVE_DURATION:
            slot["duration_sec"] = "-3600"
        case _:
            slot["merchant_id"] = IDS[kind]
    payload = json.dumps(request).encode()
    told = kind.value if kind in {Hostile.HUGE, Hostile.LONG_TEXT} else json.dumps(request, indent=2)
    return Attack(method, payload, told)
