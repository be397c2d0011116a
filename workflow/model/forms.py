"""How durations, quantities and schedules are written.

Called by the checks, and by the planner to turn a duration into microseconds. Each says in words what is
wrong.
"""

from __future__ import annotations

import re
from typing import Final

from workflow.durations import BadForm, microseconds, short
from workflow.schedule import parse_schedule, zone

__all__ = ["BadForm", "check_cron", "check_quantity", "check_zone", "delay_microseconds", "microseconds"]

_DELAY: Final = re.compile(r"(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+s)?(?:[0-9]+ms)?")
_QUANTITY: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")


def delay_microseconds(text: str) -> int:
    """The duration of a ``delay``: whole hours, minutes, seconds, milliseconds in this order. Raises ``BadForm``."""
    if not text or not _DELAY.fullmatch(text):
        raise BadForm(f"{short(text)} is not a delay like 5s, 1m30s or 500ms (whole numbers, largest unit first)")
    return microseconds(text)


def check_quantity(text: str) -> None:
    """Raises ``BadForm`` when the text is no Kubernetes quantity (``500m``, ``1.5Gi``)."""
    if not _QUANTITY.fullmatch(text):
        raise BadForm(f"{short(text)} is not a quantity like 500m, 1 or 1.5Gi")


def check_cron(text: str) -> None:
    """Raises ``BadForm`` when the text is no schedule: five fields, a name like ``@daily``, or ``@every 1h``."""
    parse_schedule(text)


def check_zone(text: str) -> None:
    """Raises ``BadForm`` when the text names no time zone."""
    zone(text)
