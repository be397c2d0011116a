"""How durations, quantities and schedules are written.

Called by the checks, and by the planner to turn a duration into microseconds. Each says in words what is
wrong.
"""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"ns": 0.001, "us": 1, "µs": 1, "μs": 1, "ms": 1_000, "s": 10**6, "m": 6 * 10**7, "h": 36 * 10**8}
_PART: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(ns|us|µs|μs|ms|s|m|h)")
_DELAY: Final = re.compile(r"(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+s)?(?:[0-9]+ms)?")
_QUANTITY: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")
_LONGEST: Final = 9_223_372_036_854_775  # microseconds in the reference's largest duration, 292 years
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CRON_FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_CRON_NAMES: Final = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})


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
        raise BadForm(f"{_short(text)} is not a duration like 30s, 5m or 1h30m")
    return round(total)


def delay_microseconds(text: str) -> int:
    """The duration of a ``delay``: whole hours, minutes, seconds, milliseconds in this order. Raises ``BadForm``."""
    if not text or not _DELAY.fullmatch(text):
        raise BadForm(f"{_short(text)} is not a delay like 5s, 1m30s or 500ms (whole numbers, largest unit first)")
    return microseconds(text)


def check_quantity(text: str) -> None:
    """Raises ``BadForm`` when the text is no Kubernetes quantity (``500m``, ``1.5Gi``)."""
    if not _QUANTITY.fullmatch(text):
        raise BadForm(f"{_short(text)} is not a quantity like 500m, 1 or 1.5Gi")


def check_cron(text: str) -> None:
    """Raises ``BadForm`` when the text is no schedule: five fields, a name like ``@daily``, or ``@every 1h``."""
    if text.startswith("@every "):
        if microseconds(text.removeprefix("@every ").strip()) < 1_000_000:
            raise BadForm("@every needs at least one second")
        return
    if text in _CRON_NAMES:
        return
    fields = text.split()
    if len(fields) != len(_CRON_FIELDS):
        raise BadForm(f"{_short(text)} is not a schedule: it needs 5 fields (minute hour day month weekday) or @daily")
    for field, (name, low, high, words) in zip(fields, _CRON_FIELDS, strict=True):
        for part in field.split(","):
            _check_cron_part(part, name, low, high, words)


def _check_cron_part(part: str, name: str, low: int, high: int, words: dict[str, int]) -> None:
    span, _, step = part.partition("/")
    if "/" in part and not (step.isascii() and step.isdigit() and 0 < int(step[:6]) <= high):
        raise BadForm(f"{_short(part)} is not a step in the {name} of a schedule")
    if span in ("*", "?"):
        return
    ends = [_cron_number(end, words) for end in span.split("-")]
    if len(ends) > 2 or any(end is None or not low <= end <= high for end in ends):
        raise BadForm(f"{_short(part)} is not a {name} ({low}-{high}) of a schedule")
    if len(ends) == 2 and (ends[0] or 0) > (ends[1] or 0):
        raise BadForm(f"{_short(part)}: the range in the {name} of the schedule runs backwards")


def _cron_number(text: str, words: dict[str, int]) -> int | None:
    if text.isascii() and text.isdigit():
        return int(text[:6])
    return words.get(text.lower())


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
