"""When schedules fire: the rules, croniter as an oracle, and every way in which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from workflow.durations import BadForm
from workflow.identifiers import SECOND, Instant
from workflow.schedule import Cron, Every, last_firing, next_firing, parse_schedule, zone

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def instant(moment: datetime) -> Instant:
    return Instant(round(moment.timestamp() * SECOND))


def moment(at: Instant | None, where: tzinfo = UTC) -> datetime:
    assert at is not None
    return datetime.fromtimestamp(at / SECOND, where)


def firings(text: str, where: tzinfo, start: str, count: int) -> list[str]:
    """The next firings from a local time on, as the wall shows them, with their offsets."""
    schedule, at = parse_schedule(text), instant(datetime.fromisoformat(start).replace(tzinfo=where))
    found = []
    for _ in range(count):
        after = next_firing(schedule, at, where)
        assert after is not None and after > at
        at = after
        found.append(moment(at, where).strftime("%m-%d %H:%M%z"))
    return found


# --- reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("@hourly", "0 * * * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 ?"),
        ("@weekly", "0 0 * * sun"),
        ("@midnight", "@daily"),
        ("5/20 * * * *", "5,25,45 * * * *"),
        ("*/90 * * * *", "0 * * * *"),
        ("0 0 * JAN-mar Mon-FRI", "0 0 * 1,2,3 1-5"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0  0\t* * *", "0 0 * * *"),
        ("7-7 * * * *", "7 * * * *"),
    ],
)
def test_two_ways_to_say_it(text: str, same: str) -> None:
    assert parse_schedule(text) == parse_schedule(same)


def test_a_zone_in_the_schedule() -> None:
    for prefix in ("CRON_TZ", "TZ"):
        found = parse_schedule(f"{prefix}=Europe/Berlin 0 6 * * ?")
        assert isinstance(found, Cron) and found.zone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("* * * *", "it needs 5 fields"),
        ("@never", "it needs 5 fields"),
        ("* * * * * *", "it needs 5 fields"),
        ("60 * * * *", "is not a minute (0-59)"),
        ("* 24 * * *", "is not a hour (0-23)"),
        ("* * 0 * *", "is not a day of month (1-31)"),
        ("* * * 13 *", "is not a month (1-12)"),
        ("* * * * 8", "is not a day of week (0-7)"),
        ("* * * * mon-", "is not a day of week"),
        ("*/0 * * * *", "is not a step"),
        ("*/ * * * *", "is not a step"),
        ("5-1 * * * *", "runs backwards"),
        ("*-5 * * * *", "is not a minute"),
        (", * * * *", "is not a minute"),
        ("@every 10", "is not a duration"),
        ("@every 1ms", "at least one second"),
        ("TZ=Europe/Berln * * * * *", "'Europe/Berln' is not a time zone"),
        ("1," * 600 + "1 * * * *", "at most 1000 characters"),
    ],
)
def test_what_is_no_schedule(text: str, message: str) -> None:
    with pytest.raises(BadForm) as refused:
        parse_schedule(text)
    assert message in str(refused.value)


@pytest.mark.parametrize("name", ["Europe", "../../etc/passwd", "/etc/localtime", "a\0b", "x" * 5000, "zone.tab", " "])
def test_what_is_no_time_zone(name: str) -> None:
    with pytest.raises(BadForm):
        zone(name)


def test_a_near_time_zone_is_named() -> None:
    with pytest.raises(BadForm, match="did you mean Europe/Berlin"):
        zone("berlin")
    with pytest.raises(BadForm, match="did you mean America/New_York"):
        zone("US/new york")


# --- against croniter --------------------------------------------------------------------------------------------


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    """Fields that both read alike: croniter takes ``0-0`` for all days of the week, and a full range for ``*``."""
    number = st.integers(low, high)
    ends = st.tuples(number, number).filter(lambda both: 0 < abs(both[0] - both[1]) < high - low)
    span = ends.map(lambda both: f"{min(both)}-{max(both)}")
    stepped = st.tuples(span, st.integers(1, 12)).map(lambda both: f"{both[0]}/{both[1]}")
    part = st.one_of(number.map(str), span, stepped)
    some = st.lists(part, min_size=1, max_size=3).map(",".join).filter(lambda text: not _all(text, low, high))
    return st.one_of(st.just("*"), st.just("*"), st.integers(2, 12).map("*/{}".format), some)


def _all(text: str, low: int, high: int) -> bool:
    """Whether a list without ``*`` names everything from ``low`` to ``high``."""
    named: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        named.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return len(named) == high - low + 1


MOMENTS = st.integers(631_152_000, 2_840_140_800).map(lambda second: datetime.fromtimestamp(second, UTC))
CRONS = st.tuples(_field(0, 59), _field(0, 23), _field(1, 28), _field(1, 12), _field(0, 6)).map(" ".join)


@given(text=CRONS, start=MOMENTS)
def test_the_next_firings_are_those_of_croniter(text: str, start: datetime) -> None:
    oracle = croniter(text, start, day_or=True)
    schedule, at = parse_schedule(text), instant(start)
    for _ in range(5):
        found = next_firing(schedule, at, UTC)
        assert found is not None and moment(found) == oracle.get_next(datetime)
        at = found


def test_29_february_and_30_february() -> None:
    leap, never = parse_schedule("0 0 29 2 *"), parse_schedule("0 0 30 2 *")
    assert moment(next_firing(leap, instant(datetime(2096, 3, 1, tzinfo=UTC)), UTC)) == datetime(
        2104, 2, 29, tzinfo=UTC
    )
    assert next_firing(never, instant(datetime(2024, 1, 1, tzinfo=UTC)), UTC) is None


# --- clocks that change ------------------------------------------------------------------------------------------


def test_a_time_that_does_not_exist_fires_once_after_the_gap() -> None:
    assert firings("30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == ["03-29 03:00+0200", "03-30 02:30+0200"]
    assert firings("0,30 2,3 * * *", BERLIN, "2026-03-28T12:00", 3) == [
        "03-29 03:00+0200",
        "03-29 03:30+0200",
        "03-30 02:00+0200",
    ]


def test_a_time_that_exists_twice_fires_once() -> None:
    assert firings("30 2 * * *", BERLIN, "2026-10-24T12:00", 2) == ["10-25 02:30+0200", "10-26 02:30+0100"]
    assert firings("*/20 1,2 * * sun", NEW_YORK, "2026-11-01T01:30", 3) == [
        "11-01 01:40-0400",
        "11-01 02:00-0500",
        "11-01 02:20-0500",
    ]


def test_every_hour_follows_the_hours_as_they_pass() -> None:
    assert firings("30 * * * *", BERLIN, "2026-03-29T00:45", 3) == [
        "03-29 01:30+0100",
        "03-29 03:30+0200",
        "03-29 04:30+0200",
    ]
    assert firings("30 * * * *", BERLIN, "2026-10-25T01:45", 3) == [
        "10-25 02:30+0200",
        "10-25 02:30+0100",
        "10-25 03:30+0100",
    ]


def test_half_an_hour_and_a_whole_day() -> None:
    assert firings("15 2 * * *", ZoneInfo("Australia/Lord_Howe"), "2026-10-03T12:00", 1) == ["10-04 02:30+1100"]
    assert firings("0 8 30 12 *", ZoneInfo("Pacific/Apia"), "2011-12-29T12:00", 1) == ["12-31 00:00+1400"]


def test_a_change_at_midnight() -> None:
    beirut = ZoneInfo("Asia/Beirut")  # forward at 00:00 in spring, back at 00:00 to 23:00 in autumn
    assert firings("0 0 * * *", beirut, "2026-03-28T12:00", 2) == ["03-29 01:00+0300", "03-30 00:00+0300"]
    assert firings("30 * 24 10 *", beirut, "2026-10-24T22:45", 3) == [
        "10-24 23:30+0300",
        "10-24 23:30+0200",
        "10-24 00:30+0300",
    ]


ZONES = st.sampled_from(
    [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Asia/Kathmandu",
        "Africa/Casablanca",
    ]
).map(ZoneInfo)


@given(text=CRONS, where=ZONES, start=MOMENTS)
def test_firings_are_later_and_on_the_wall_or_at_the_end_of_a_gap(text: str, where: ZoneInfo, start: datetime) -> None:
    schedule, at = parse_schedule(text), instant(start)
    assert isinstance(schedule, Cron)
    walls = set()
    for _ in range(4):
        found = next_firing(schedule, at, where)
        assert found is not None and found > at
        wall = moment(found, where)
        before = moment(Instant(found - SECOND), where)
        gap = before.utcoffset() != wall.utcoffset()
        fits = schedule.on(wall) and wall.hour in schedule.hours and wall.minute in schedule.minutes
        assert fits or (gap and not schedule.hourly)
        assert schedule.hourly or wall.replace(tzinfo=None) not in walls
        walls.add(wall.replace(tzinfo=None))
        at = found


@given(where=ZONES, start=MOMENTS, minute=st.integers(0, 29))
def test_no_hour_of_an_hourly_schedule_is_lost(where: ZoneInfo, start: datetime, minute: int) -> None:
    schedule, at = parse_schedule(f"{minute},{minute + 30} * * * *"), instant(start)
    for _ in range(6):
        found = next_firing(schedule, at, where)
        assert found is not None and found - at <= 1800 * SECOND
        at = found


# --- @every and what was missed ----------------------------------------------------------------------------------


def test_every_needs_no_memory() -> None:
    assert parse_schedule("@every 1h30m") == Every(5400 * SECOND)
    at = instant(datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC))
    assert moment(next_firing(Every(600 * SECOND), at, UTC)) == datetime(2026, 1, 1, 0, 10, tzinfo=UTC)


def test_the_last_one_that_was_missed() -> None:
    schedule, at = parse_schedule("*/5 * * * *"), datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    until = instant(at + timedelta(minutes=27))
    assert moment(last_firing(schedule, instant(at), until, UTC)) == at + timedelta(minutes=25)
    assert last_firing(schedule, instant(at), instant(at + timedelta(minutes=4)), UTC) is None
    assert moment(last_firing(schedule, instant(at), instant(at + timedelta(minutes=5)), UTC)) == at + timedelta(
        minutes=5
    )
