"""Small texts: arguments in, durations out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from muster.cli.outcome import Usage
from muster.cli.words import ago, choices, duration, pairs, size


def test_pairs() -> None:
    assert pairs(["a=1", "b=x=y", "c="], "--config") == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["a"], "--tag takes KEY=VALUE, not 'a'"),
        (["=b"], "--tag takes KEY=VALUE, not '=b'"),
        (["a=1", "a=2"], "--tag names 'a' twice"),
    ],
)
def test_pairs_that_are_none(texts: list[str], sentence: str) -> None:
    with pytest.raises(Usage, match=sentence):
        pairs(texts, "--tag")


def test_choices() -> None:
    assert choices(["env=dev,prod", "env=qa", "zone=1"], "--target") == {"env": ["dev", "prod", "qa"], "zone": ["1"]}


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (None, ""),
        (0, "<1 ms"),
        (12.4, "12 ms"),
        (999.4, "999 ms"),
        (999.6, "1.0 s"),
        (59_940, "59.9 s"),
        (59_960, "1 m 00 s"),
        (184_000, "3 m 04 s"),
        (3_599_600, "1 h 00 m"),
        (7_500_000, "2 h 05 m"),
    ],
)
def test_duration(milliseconds: float | None, said: str) -> None:
    assert duration(milliseconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s ago"), (59, "59 s ago"), (119, "1 m ago"), (3600, "1 h ago"), (200_000, "2 d ago")],
)
def test_ago(seconds: int, said: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert ago(now - timedelta(seconds=seconds), now) == said
    assert ago(None, now) == ""


@pytest.mark.parametrize(("count", "said"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")])
def test_size(count: int, said: str) -> None:
    assert size(count) == said
