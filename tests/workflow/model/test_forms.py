"""Durations, delays, quantities and schedules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from workflow.model import BadForm, check_cron, check_quantity, delay_microseconds, microseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("1h30m", 5_400_000_000), ("1.5s", 1_500_000), (".5ms", 500), ("3µs", 3), ("1s1s", 2 * 10**6)],
)
def test_durations(text: str, expected: int) -> None:
    assert microseconds(text) == expected


def test_delays() -> None:
    assert delay_microseconds("1h2m3s4ms") == 3_723_004_000


@pytest.mark.parametrize("text", ["1", "1.5Gi", "500m", "-1", "1e3", ".5", "2E"])
def test_quantities(text: str) -> None:
    check_quantity(text)


@pytest.mark.parametrize(
    "text", ["* * * * *", "*/5 0-6 1,15 jan-mar MON", "@daily", "@every 90s", "0 0 ? * 7", "59 23 31 12 0"]
)
def test_schedules(text: str) -> None:
    check_cron(text)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        *[(microseconds, text) for text in ("", "5", "5 m", "-1s", "1d", "h", "1h ", "1s\n", "9" * 18 + "h", "١s")],
        *[(delay_microseconds, text) for text in ("", "1.5s", "1s1m", "0", "1us", "-1s")],
        *[(check_quantity, text) for text in ("", "1 Gi", "Gi", "1GiB", "1e", "--1")],
        *[(check_cron, text) for text in ("", "* * * * * *", "60 * * * *", "* * 0 * *", "* * * * funday", "a * * * *")],
        *[(check_cron, text) for text in ("*/0 * * * *", "1-2-3 * * * *", "5-1 * * * *", "@never", "@every 1ms")],
    ],
)
def test_what_has_not_the_form_is_refused(form: Callable[[str], object], text: str) -> None:
    with pytest.raises(BadForm):
        form(text)
