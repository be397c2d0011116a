"""When a schedule fires: cron expressions and ``@every``, in any time zone, through every change of its clocks.

Called by the model's checks (is this a schedule?), by lint and by control_plane.services.schedules (when next?). Pure:
the moment comes in, and the time zone too; ``zone`` alone reads the tz database, which is data of the Python
installation and the same for all.

Rules, as robfig/cron reads five fields (minute hour day month weekday): names of months and days, ranges, steps
(``5/15`` is ``5-59/15``), lists, ``?`` for ``*``, Sunday as 0 or 7, ``@hourly`` and its siblings, a leading
``CRON_TZ=Area/City``. Where day and weekday are both restricted either of them is enough.

Where clocks change: a time that does not exist fires once, when the gap ends; a time that exists twice fires once, the
first time. A schedule for every hour (``*`` as its hours) follows the hours as they pass instead: nothing of it is
lost in a gap, and the repeated hour is an hour like any other. ``@every`` counts from 1970, so that it needs no memory.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from workflow.durations import BadForm, microseconds, short
from workflow.identifiers import SECOND, Instant

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_ZONED: Final = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)", re.DOTALL)
_LONGEST_TEXT: Final = 1_000
_HORIZON: Final = timedelta(days=366 * 9)  # 29 February comes again after eight years at the latest
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 1, 1)  # noqa: DTZ001 - a time on the wall, in no zone
_MINUTE: Final = timedelta(minutes=1)
_LONGEST_CHANGE: Final = 27  # hours: no clock was ever set back or forth by more


@dataclass(frozen=True, slots=True)
class Every:
    """``@every``: each ``period`` microseconds since 1970."""

    period: int


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields. ``either_day``: day and weekday are both restricted, and one of them is enough."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either_day: bool
    zone: str = ""

    @property
    def hourly(self) -> bool:
        """Whether it follows the hours as they pass."""
        return len(self.hours) == 24

    def on(self, day: datetime) -> bool:
        """Whether it fires on this day."""
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and ((by_day or by_weekday) if self.either_day else (by_day and by_weekday))


Schedule = Every | Cron


# --- reading -----------------------------------------------------------------------------------------------------


def parse_schedule(text: str) -> Schedule:
    """The schedule that the text says. Raises ``BadForm``."""
    if len(text) > _LONGEST_TEXT:
        raise BadForm(f"a schedule has at most {_LONGEST_TEXT} characters")
    if text.startswith("@every "):
        period = microseconds(text.removeprefix("@every ").strip()) // SECOND * SECOND
        if not period:
            raise BadForm("@every needs at least one second")
        return Every(period)
    found = _ZONED.fullmatch(text.strip())
    name, said = (found[1], found[2]) if found else ("", text)
    fields = _NAMED.get(said.strip(), said).split()
    if len(fields) != len(_FIELDS):
        raise BadForm(f"{short(text)} is not a schedule: it needs 5 fields (minute hour day month weekday) or @daily")
    minutes, hours, days, months, weekdays = (
        _numbers(field, *rule) for field, rule in zip(fields, _FIELDS, strict=True)
    )
    if name:
        zone(name)
    both = not any(_is_star(field) for field in (fields[2], fields[4]))
    ordered = (tuple(sorted(minutes)), tuple(sorted(hours)))
    return Cron(*ordered, days, months, frozenset(day % 7 for day in weekdays), both, name)


def _numbers(field: str, name: str, low: int, high: int, words: dict[str, int]) -> frozenset[int]:
    return frozenset(number for part in field.split(",") for number in _range(part, name, low, high, words))


def _range(part: str, name: str, low: int, high: int, words: dict[str, int]) -> range:
    span, slash, step_text = part.partition("/")
    if slash and not (step_text.isascii() and step_text.isdigit() and int(step_text[:6]) > 0):
        raise BadForm(f"{short(part)} is not a step in the {name} of a schedule")
    step = int(step_text[:6]) if slash else 1
    if span in ("*", "?"):
        return range(low, (6 if high == 7 else high) + 1, step)
    ends = [_number(end, words) for end in span.split("-")]
    if len(ends) > 2 or any(end is None or not low <= end <= high for end in ends):
        raise BadForm(f"{short(part)} is not a {name} ({low}-{high}) of a schedule")
    first = ends[0] or 0
    last = (ends[1] or 0) if len(ends) == 2 else max(first, 6 if high == 7 else high) if slash else first
    if first > last:
        raise BadForm(f"{short(part)}: the range in the {name} of the schedule runs backwards")
    return range(first, last + 1, step)


def _number(text: str, words: dict[str, int]) -> int | None:
    if text.isascii() and text.isdigit():
        return int(text[:6])
    return words.get(text.lower())


def _is_star(field: str) -> bool:
    """Whether a field restricts nothing: a star among its parts, alone or with the step 1."""
    return any(part in ("*", "?", "*/1", "?/1") for part in field.split(","))


@lru_cache(maxsize=1)
def _near_names() -> dict[str, str]:
    """Time zones by how people may write them: in small letters, in full and the city alone."""
    names = sorted(available_timezones())
    return {name.lower().rpartition("/")[2]: name for name in names} | {name.lower(): name for name in names}


def zone(name: str) -> tzinfo:
    """The time zone of this IANA name (``Europe/Berlin``); UTC for the empty one. Raises ``BadForm``."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = _near_names().get(name[:100].strip().lower().replace(" ", "_").rpartition("/")[2])
        hint = f": did you mean {near}?" if near else " like Europe/Berlin"
        raise BadForm(f"{short(name)} is not a time zone{hint}") from None


# --- firing ------------------------------------------------------------------------------------------------------


def next_firing(schedule: Schedule, after: Instant, where: tzinfo) -> Instant | None:
    """The first firing later than ``after``; None where there is none in nine years (30 February)."""
    match schedule:
        case Every(period):
            return Instant((after // period + 1) * period)
        case Cron():
            moment = _EPOCH + timedelta(microseconds=after)
            if not _EPOCH <= moment < _LAST.replace(tzinfo=UTC):
                return None
            found = _next_hourly(schedule, moment, where) if schedule.hourly else _next(schedule, moment, where)
            return None if found is None else Instant(round((found - _EPOCH) / timedelta(microseconds=1)))


def last_firing(schedule: Schedule, after: Instant, until: Instant, where: tzinfo) -> Instant | None:
    """The last firing later than ``after`` and not later than ``until``; None where there is none. Its cost grows with
    the number of firings between them."""
    found: Instant | None = None
    while (firing := next_firing(schedule, found or after, where)) is not None and firing <= until:
        found = firing
    return found


def _next(cron: Cron, moment: datetime, where: tzinfo) -> datetime | None:
    """Times on the wall in their order; each has one instant."""
    start = moment.astimezone(where).replace(tzinfo=None, fold=0)
    for wall in _walls(cron, start):
        instant = _instant(wall, where)
        if instant > moment:
            return instant
    return None


def _next_hourly(cron: Cron, moment: datetime, where: tzinfo) -> datetime | None:
    """Times as they come by on the wall: those in a gap never, those that are repeated twice. The clock is followed
    from one change of its offset to the next."""
    start = moment.replace(second=0, microsecond=0) + _MINUTE
    while True:
        offset = _offset(start, where)
        wall = next(_walls(cron, _wall(start, where)), None)
        if wall is None:
            return None
        instant = wall.replace(tzinfo=UTC) - offset
        soon = (start + timedelta(hours=hours) for hours in range(1, _LONGEST_CHANGE))
        probes = [*itertools.takewhile(lambda probe: probe < instant, soon), instant]  # noqa: B023
        changed = next((probe for probe in probes if _offset(probe, where) != offset), None)
        if changed is None:
            return instant
        start = _change(start, changed, where)


def _walls(cron: Cron, start: datetime) -> Iterator[datetime]:
    """The matching times on the wall from ``start``'s minute on."""
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    first, end = start.replace(second=0, microsecond=0), min(day + _HORIZON, _LAST)
    while day < end:
        if day.month not in cron.months:
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            continue
        if cron.on(day):
            for hour in cron.hours:
                for minute in cron.minutes:
                    wall = day.replace(hour=hour, minute=minute)
                    if wall >= first:
                        yield wall
        day += timedelta(days=1)


def _instant(wall: datetime, where: tzinfo) -> datetime:
    """When the wall shows this for the first time; where it never does, when the gap ends."""
    instant = wall.replace(tzinfo=where, fold=0).astimezone(UTC)
    if _wall(instant, where) == wall:
        return instant
    return _change(wall.replace(tzinfo=where, fold=1).astimezone(UTC), instant, where)


def _change(before: datetime, after: datetime, where: tzinfo) -> datetime:
    """The moment between them at which the offset of ``before`` ends."""
    offset = _offset(before, where)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if _offset(middle, where) == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def _offset(instant: datetime, where: tzinfo) -> timedelta:
    return instant.astimezone(where).utcoffset() or timedelta(0)


def _wall(instant: datetime, where: tzinfo) -> datetime:
    return instant.astimezone(where).replace(tzinfo=None, fold=0)
