"""The journal, read."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workflow.execution.hand import Hand
from tests.workflow.execution.plans import group, plan, run
from tests.workflow.execution.world import World
from workflow.execution.events import Exited
from workflow.execution.readings import Reading, StepView, read
from workflow.identifiers import SECOND, Instant, StepRef
from workflow.journal import AttemptFinished, Entry, Pause, Resume, StepFinished, StepStarted, Stop
from workflow.plan.nodes import Retry
from workflow.states import ExecutionState, StepStatus


def test_an_empty_journal_shows_the_plan() -> None:
    views = read(plan(run(), group(run())), [])
    assert [(view.ref, view.status) for view in views] == [(r, StepStatus.QUEUED) for r in ("1", "2", "2.1")]


def test_a_step_from_its_start_to_its_end() -> None:
    made = plan(run(retry=Retry(2)), run())
    hand = Hand(made).begun().pass_time(SECOND).ended("1", Exited(7), stale="1").pass_time(SECOND)
    hand.ended("1", Exited(0), 1, key="value")
    first, second = read(made, hand.entries)
    assert first == StepView(
        StepRef("1"), StepStatus.PASSED, Instant(0), Instant(2 * SECOND), 0, "", 2, {"key": "value"}
    )
    assert (second.status, second.started) == (StepStatus.RUNNING, 2 * SECOND)


def test_paused_and_resumed() -> None:
    made = plan(run())
    hand = Hand(made).begun().told(Pause())
    assert read(made, hand.entries)[0].status is StepStatus.PAUSED
    hand.told(Resume())
    assert read(made, hand.entries)[0].status is StepStatus.RUNNING


def test_reasons_are_kept() -> None:
    made = plan(run(), run())
    hand = Hand(made).begun().told(Stop(ExecutionState.CANCELED, "enough")).ended("1")
    first, second = read(made, hand.entries)
    assert (first.status, first.reason) == (StepStatus.CANCELED, "enough")
    assert (second.status, second.reason) == (StepStatus.SKIPPED, "not run: the execution was canceled")


def test_what_a_lost_journal_leaves_open_is_closed() -> None:
    reading = Reading(plan(run(), run()))
    reading.take(StepStarted(Instant(1), StepRef("1")))
    reading.close(ExecutionState.ABORTED)
    assert [view.status for view in reading.steps] == [StepStatus.ABORTED, StepStatus.SKIPPED]


def test_entries_of_another_plan_are_ignored() -> None:
    entries: list[Entry] = [
        StepFinished(Instant(1), StepRef("9"), StepStatus.FAILED),
        AttemptFinished(Instant(2), ExecutionState.PASSED),
    ]
    assert [view.status for view in read(plan(run()), entries)] == [StepStatus.SKIPPED]


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_reading_agrees_with_what_was_watched(dice: Random) -> None:
    world = World(dice)
    world.play()
    views = read(world.plan, world.watch.entries)
    assert {view.ref: view.status for view in views} == world.watch.statuses
    assert all(view.finished is not None for view in views)
    assert {view.ref: view.iterations - 1 for view in views if view.iterations} == world.watch.iterations
