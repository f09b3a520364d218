"""Where a ledger is, in words for people: an address may carry a password, and none is ever shown."""

from __future__ import annotations

import re

_USER_INFO = re.compile(r"(?<=://)([^/?#]*)@")
_SECRET_PARAMETER = re.compile(r"(?i)([?&])[^=&]*passw[^=&]*=[^&]*")


def shown(url: str) -> str:
    """The address without its password, whatever else is wrong with it."""
    hidden = _USER_INFO.sub(lambda found: found[1].partition(":")[0] + "@", url)
    return _SECRET_PARAMETER.sub(r"\1", hidden).rstrip("?&").replace("?&", "?").replace("&&", "&")
