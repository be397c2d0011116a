"""What is the real clock's alone: identifiers that cannot be guessed, and that no jump of the clock confuses."""

from __future__ import annotations

import pytest

from control_plane.adapters.system import SystemClock
from workflow.identifiers import Instant


def test_the_tails_of_ids_differ() -> None:
    tails = {SystemClock().fresh_id()[10:] for _ in range(200)}
    assert len(tails) == 200


def test_ids_of_two_clocks_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = SystemClock(), SystemClock()
    monkeypatch.setattr(first, "now", lambda: Instant(1_700_000_000_000_000))
    monkeypatch.setattr(second, "now", lambda: Instant(1_700_000_000_000_001))
    assert first.fresh_id()[:10] < second.fresh_id()[:10]


def test_ids_stay_in_order_when_the_clock_jumps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before = clock.fresh_id()
    monkeypatch.setattr(clock, "now", lambda: Instant(1))
    assert clock.fresh_id() > before
