"""Small texts of the command line: ``key=value`` arguments in, durations and states out. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from muster.cli.outcome import Usage

STYLES = {
    "passed": "green",
    "failed": "red",
    "error": "red",
    "timeout": "red",
    "aborted": "magenta",
    "canceled": "yellow",
    "skipped": "dim",
    "running": "cyan",
    "paused": "yellow",
    "stopping": "yellow",
    "queued": "dim",
    "assigned": "dim",
}
"""How each status is shown."""

MARKS = {
    "passed": "✓",
    "failed": "✗",
    "error": "✗",
    "timeout": "✗",
    "aborted": "✗",
    "canceled": "■",
    "skipped": "-",
    "running": "▶",
    "paused": "‖",
}
"""A sign for each status, beside its word and never in its place."""


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """``key=value`` arguments. Usage where one has no ``=`` or no key, or where a key stands twice."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise Usage(f"{option} takes KEY=VALUE, not {text!r}")
        if key in found:
            raise Usage(f"{option} names {key!r} twice")
        found[key] = value
    return found


def choices(texts: Iterable[str], option: str) -> dict[str, list[str]]:
    """``key=v1,v2`` arguments; the same key again adds values."""
    found: dict[str, list[str]] = {}
    for text in texts:
        for key, value in pairs([text], option).items():
            found.setdefault(key, []).extend(part for part in value.split(",") if part)
    return found


def duration(milliseconds: float | None) -> str:
    """``12 ms``, ``1.2 s``, ``3 m 04 s``, ``2 h 05 m``; empty where it is not known."""
    if milliseconds is None:
        return ""
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms" if milliseconds >= 0.95 else "<1 ms"
    seconds = milliseconds / 1000
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} m" if hours else f"{minutes} m {rest:02d} s"


def ago(moment: datetime | None, now: datetime) -> str:
    """``12 s ago``."""
    if moment is None:
        return ""
    seconds = max((now - moment.astimezone(UTC)).total_seconds(), 0)
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def size(count: int) -> str:
    """``12 B``, ``3.4 KiB``, ``5.6 MiB``."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
