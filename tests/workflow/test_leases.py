"""Leases by the monotonic clock, and the fencing rule as a table."""

from __future__ import annotations

import pytest

from workflow.identifiers import AgentName, Attempt, ExecutionId
from workflow.leases import Cause, Lapse, Leases, Standing, Terms, standing
from workflow.states import ExecutionState

DEV = AgentName("dev")
ONE = Attempt(ExecutionId("e"), 1)
TERMS = Terms(heartbeat=10, lease=30, answer=10, lost_after=300, stop_grace=60)


def held(*, started: bool = True) -> Leases:
    """A connected agent that took one attempt at 0."""
    leases = Leases(TERMS)
    leases.connected(DEV, (), 0)
    leases.offered(ONE, DEV, 0)
    leases.accepted(ONE, 0)
    if started:
        leases.started(ONE, DEV, 0)
    return leases


def beat(leases: Leases, *times: float) -> None:
    """Heartbeats that list the attempt."""
    for now in times:
        assert leases.heartbeat(DEV, [ONE], now) == ()


@pytest.mark.parametrize(
    ("attempt", "state", "named", "meaning"),
    [
        (2, ExecutionState.RUNNING, 2, Standing.CURRENT),
        (2, ExecutionState.ASSIGNED, 2, Standing.CURRENT),
        (2, ExecutionState.RUNNING, 1, Standing.FENCED),
        (2, ExecutionState.QUEUED, 2, Standing.FENCED),
        (2, ExecutionState.PASSED, 2, Standing.OVER),
        (2, ExecutionState.PASSED, 1, Standing.FENCED),
        (2, ExecutionState.RUNNING, 3, Standing.UNKNOWN),
        (0, ExecutionState.QUEUED, 0, Standing.UNKNOWN),
    ],
)
def test_what_an_attempt_is(attempt: int, state: ExecutionState, named: int, meaning: Standing) -> None:
    assert standing(attempt, state, named) is meaning


def test_an_offer_is_answered_in_time_or_lapses() -> None:
    leases = Leases(TERMS)
    leases.connected(DEV, (), 0)
    leases.offered(ONE, DEV, 0)
    assert leases.due() == 10
    assert leases.lapsed(9.9) == ()
    assert leases.lapsed(10) == (Lapse(Cause.UNANSWERED, DEV, ONE),)


def test_a_heartbeat_that_lists_it_is_an_answer() -> None:
    leases = Leases(TERMS)
    leases.connected(DEV, (), 0)
    leases.offered(ONE, DEV, 0)
    beat(leases, 5)
    assert leases.lapsed(20) == ()


def test_heartbeats_renew() -> None:
    leases = held()
    beat(leases, 10, 20, 30, 40)
    assert leases.heartbeat(DEV, [], 69) == ()
    assert leases.heartbeat(DEV, [], 70) == (Lapse(Cause.DROPPED, DEV, ONE),)


def test_what_was_not_begun_and_is_no_longer_listed_has_lapsed() -> None:
    leases = held(started=False)
    assert leases.heartbeat(DEV, [], 30) == (Lapse(Cause.LAPSED, DEV, ONE),)


def test_a_silent_agent_is_cut_off_after_the_lease() -> None:
    leases = held()
    beat(leases, 10)
    assert leases.due() == 40
    assert leases.lapsed(40) == (Lapse(Cause.SILENT, DEV),)


def test_what_had_begun_waits_for_its_agent_to_come_back() -> None:
    leases = held()
    leases.disconnected(DEV, 100)
    assert leases.lapsed(399) == ()
    assert leases.lapsed(400) == (Lapse(Cause.GONE, DEV, ONE),)


def test_an_agent_that_comes_back_keeps_what_it_holds() -> None:
    leases = held()
    leases.disconnected(DEV, 100)
    leases.connected(DEV, [ONE], 399)
    beat(leases, 405, 415, 425)
    assert leases.lapsed(440) == ()


def test_what_had_not_begun_lapses_with_the_lease_when_its_agent_goes() -> None:
    leases = held(started=False)
    beat(leases, 15)
    leases.disconnected(DEV, 20)
    assert leases.lapsed(44) == ()
    assert leases.lapsed(45) == (Lapse(Cause.LAPSED, DEV, ONE),)


def test_what_does_not_stop_is_stubborn_and_counts_from_when_its_agent_is_there() -> None:
    leases = held()
    leases.disconnected(DEV, 5)
    leases.stopping(ONE, 10)
    leases.connected(DEV, [ONE], 100)
    for now in range(110, 160, 10):
        beat(leases, now)
        assert leases.lapsed(now) == ()
    assert leases.lapsed(160) == (Lapse(Cause.STUBBORN, DEV, ONE),)


def test_a_lapse_that_nobody_acts_on_is_told_again_later() -> None:
    leases = held()
    leases.disconnected(DEV, 0)
    assert leases.lapsed(300)
    assert leases.lapsed(301) == ()
    assert leases.due() == 310
    assert leases.lapsed(310) == (Lapse(Cause.GONE, DEV, ONE),)


def test_after_a_restart_everything_begins_anew() -> None:
    leases = Leases(TERMS)
    leases.started(ONE, DEV, 1000)
    other = Attempt(ExecutionId("f"), 1)
    leases.offered(other, DEV, 1000)
    assert leases.lapsed(1030) == (Lapse(Cause.LAPSED, DEV, other),)
    leases.ended(other)
    assert leases.lapsed(1299) == ()
    assert leases.lapsed(1300) == (Lapse(Cause.GONE, DEV, ONE),)


def test_what_ended_lapses_no_more_and_is_held_by_nobody() -> None:
    leases = held()
    assert leases.holder(ONE) == DEV
    leases.ended(ONE)
    leases.disconnected(DEV, 0)
    assert leases.holder(ONE) is None
    assert leases.due() is None


def test_flapping_leaves_nothing_behind() -> None:
    leases = held()
    for now in range(1, 1000):
        leases.disconnected(DEV, now)
        leases.connected(DEV, [ONE], now)
    assert len(leases._due) < 10
