"""Instants as texts in Go's layouts, which the language's date() takes.

A layout shows how the instant Mon Jan 2 15:04:05 2006 would be written. No clock here: the caller brings the instant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from workflow.expressions.data import Value
from workflow.expressions.errors import ExpressionError
from workflow.expressions.limits import MAX_SOURCE, Budget
from workflow.expressions.scope import Function
from workflow.expressions.values import admitted, text_of

DEFAULT_LAYOUT: Final = "2006-01-02T15:04:05.000Z07:00"
"""What date() without arguments uses: RFC 3339 with milliseconds."""

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FIELD: Final = re.compile(
    r"""January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST
    |2006|__2|002|01|02|03|04|05|06|15|_2(?!006)|PM|pm
    |Z070000|Z07:00:00|Z0700|Z07:00|Z07
    |-070000|-07:00:00|-0700|-07:00|-07
    |[.,](?:0+|9+)(?![0-9])
    |1|2|3|4|5""",
    re.VERBOSE,
)
_FIELDS: Final[dict[str, Callable[[datetime], str]]] = {
    "January": lambda at: _MONTHS[at.month - 1],
    "Jan": lambda at: _MONTHS[at.month - 1][:3],
    "Monday": lambda at: _DAYS[at.weekday()],
    "Mon": lambda at: _DAYS[at.weekday()][:3],
    "MST": lambda at: at.tzname() or "UTC",
    "2006": lambda at: f"{at.year:04d}",
    "06": lambda at: f"{at.year % 100:02d}",
    "01": lambda at: f"{at.month:02d}",
    "1": lambda at: str(at.month),
    "02": lambda at: f"{at.day:02d}",
    "_2": lambda at: f"{at.day:2d}",
    "2": lambda at: str(at.day),
    "002": lambda at: f"{at.timetuple().tm_yday:03d}",
    "__2": lambda at: f"{at.timetuple().tm_yday:3d}",
    "15": lambda at: f"{at.hour:02d}",
    "03": lambda at: f"{at.hour % 12 or 12:02d}",
    "3": lambda at: str(at.hour % 12 or 12),
    "04": lambda at: f"{at.minute:02d}",
    "4": lambda at: str(at.minute),
    "05": lambda at: f"{at.second:02d}",
    "5": lambda at: str(at.second),
    "PM": lambda at: "PM" if at.hour >= 12 else "AM",
    "pm": lambda at: "pm" if at.hour >= 12 else "am",
}


def format_date(instant: datetime, layout: str = DEFAULT_LAYOUT) -> str:
    """An aware instant in a Go layout, in the instant's own time zone. What is no field is copied."""
    return _FIELD.sub(lambda found: _field(found[0], instant), layout)


def date_function(now: datetime) -> Function:
    """The language's date([layout]) for a scope, at the instant ``now`` (aware), shown in UTC."""
    instant = now.astimezone(UTC)

    def date(values: Sequence[Value]) -> Value:
        if len(values) > 1:
            raise ExpressionError(f"date() takes 0 to 1 arguments, not {len(values)}")
        layout = text_of(admitted(values[0]), Budget()) if values else DEFAULT_LAYOUT
        if len(layout) > MAX_SOURCE:
            raise ExpressionError(f"date() takes a layout of at most {MAX_SOURCE} characters")
        return format_date(instant, layout)

    return date


def _field(name: str, instant: datetime) -> str:
    known = _FIELDS.get(name)
    if known is not None:
        return known(instant)
    if name[0] in ".,":
        return _fraction(name, instant)
    return _offset(name, instant.utcoffset() or timedelta())


def _fraction(name: str, instant: datetime) -> str:
    digits = f"{instant.microsecond:06d}000"[: len(name) - 1].ljust(len(name) - 1, "0")
    if name[1] == "0":
        return name[0] + digits
    kept = digits.rstrip("0")
    return name[0] + kept if kept else ""


def _offset(name: str, offset: timedelta) -> str:
    seconds = round(offset.total_seconds())
    if name[0] == "Z" and not seconds:
        return "Z"
    parts = [f"{abs(seconds) // 3600:02d}", f"{abs(seconds) // 60 % 60:02d}", f"{abs(seconds) % 60:02d}"]
    count = len(name.replace(":", "")[1:]) // 2
    return ("-" if seconds < 0 else "+") + (":" if ":" in name else "").join(parts[:count])
