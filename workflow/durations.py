"""How durations are written (``1h30m``, ``1.5s``), in microseconds.

Called by the model's checks, the planner and schedules. The form is Go's, as the reference reads it.
"""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"ns": 0.001, "us": 1, "µs": 1, "μs": 1, "ms": 1_000, "s": 10**6, "m": 6 * 10**7, "h": 36 * 10**8}
_PART: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(ns|us|µs|μs|ms|s|m|h)")
_LONGEST: Final = 9_223_372_036_854_775  # microseconds in the reference's largest duration, 292 years


class BadForm(ValueError):
    """A text does not have the form that its field asks for. The message says what it should be like."""


def microseconds(text: str) -> int:
    """A duration as Go writes it (``1h30m``, ``1.5s``, ``0``). Raises ``BadForm``, also when it is negative."""
    if text == "0":
        return 0
    total, at = 0.0, 0
    while found := _PART.match(text, at):
        total += float(found[1]) * _UNITS[found[2]]
        at = found.end()
    if not text or at != len(text) or total > _LONGEST:
        raise BadForm(f"{short(text)} is not a duration like 30s, 5m or 1h30m")
    return round(total)


def short(text: str) -> str:
    """The text quoted for a message, at most about 60 characters of it."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
