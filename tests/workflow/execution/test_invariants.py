"""What must hold of every execution, whatever its host does, and proof that these tests would notice if it did not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workflow.execution.world import World
from workflow.execution import algebra, course, frames, operations, services, timers
from workflow.execution.broods import Brood
from workflow.execution.crowd import Crowd
from workflow.execution.events import StopReason
from workflow.journal import ChildChanged, Stop
from workflow.plan.nodes import Step
from workflow.states import StepStatus

SEEDS = 3000
"""Executions that a broken machine gets to betray itself."""


@settings(max_examples=400, deadline=None)
@given(st.randoms(use_true_random=False))
def test_every_execution_keeps_the_invariants(dice: Random) -> None:
    World(dice).play()


@pytest.mark.parametrize("seed", range(5))
def test_many_executions_keep_the_invariants(seed: int) -> None:
    for each in range(seed * 300, (seed + 1) * 300):
        World(each).play()


# --- broken machines ---------------------------------------------------------------------------------------------

Break = Callable[[pytest.MonkeyPatch], None]
BROKEN: dict[str, tuple[Break, str]] = {}


def broken(words: str) -> Callable[[Break], Break]:
    """A way to break the machine; ``words`` are those of the invariant that is to notice it."""

    def keep(how: Break) -> Break:
        BROKEN[how.__name__] = (how, words)
        return how

    return keep


@broken("AND")
def optional_steps_count(patch: pytest.MonkeyPatch) -> None:
    def count_all(self: frames.Frame, step: Step, status: StepStatus, blame: str, told: tuple[str, int | None]) -> None:
        self.good = self.good and status.good

    patch.setattr(frames.Frame, "count", count_all)


@broken("a group ends after its children")
def children_of_skipped_groups_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(course.Course, "_skip_children", lambda self, step, reason: None)


@broken("no timer is left")
def timers_outlive_their_step(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(timers.Timers, "cancel", lambda self, ref: None)
    patch.setattr(timers.Timers, "cancel_all", lambda self: None)


@broken("what runs is stopped")
def stop_is_swallowed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(operations.Hosted, "halt", lambda self, reason: None)


@broken("liveness")
def room_for_the_next_child_is_not_used(patch: pytest.MonkeyPatch) -> None:
    right = Crowd._fill

    def once(self: Crowd) -> None:
        if not self._all:
            right(self)

    patch.setattr(Crowd, "_fill", once)


@broken("no more children than there is room for")
def parallelism_is_one_too_many(patch: pytest.MonkeyPatch) -> None:
    right = Crowd._fill

    def more(self: Crowd) -> None:
        class Wider:
            parallelism = self._operation.parallelism + 1

        narrow, self._operation = self._operation, Wider()  # type: ignore[assignment]
        right(self)
        self._operation = narrow

    patch.setattr(Crowd, "_fill", more)


@broken(r"count \+ 1 runs")
def one_retry_too_many(patch: pytest.MonkeyPatch) -> None:
    def more(self: course.Course, active: course.Active, status: StepStatus) -> bool:
        retry = active.step.retry
        return retry is not None and active.iteration <= retry.count and not status.good

    patch.setattr(course.Course, "_wants_more", more)


@broken("no service is left")
def services_are_left_running(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(services, "release", lambda brood: None)
    patch.setattr(course, "release", lambda brood: None)


@broken("pause")
def pause_is_forgotten_between_steps(patch: pytest.MonkeyPatch) -> None:
    right = course.Course._consider

    def forgetful(self: course.Course, step: Step, frame: frames.Frame) -> None:
        self._paused = False
        right(self, step, frame)

    patch.setattr(course.Course, "_consider", forgetful)


@broken("the first word counts")
def the_last_stop_counts(patch: pytest.MonkeyPatch) -> None:
    right = course.Course.end

    def last(self: course.Course, stop: Stop) -> None:
        right(self, stop)
        self.ending = stop

    patch.setattr(course.Course, "end", last)


@broken("AND")
def negative_is_ignored(patch: pytest.MonkeyPatch) -> None:
    def plain(*, all_good: bool, negative: bool) -> StepStatus:
        return algebra.group_status(all_good=all_good, negative=False)

    patch.setattr(course, "group_status", plain)


@broken("passed: all was well before")
def groups_forget_what_was_before_them(patch: pytest.MonkeyPatch) -> None:
    status = property(lambda self: StepStatus.PASSED if self.good else StepStatus.FAILED)
    patch.setattr(frames.Frame, "status", status)


@broken("liveness")
def children_that_never_answer_are_waited_for(patch: pytest.MonkeyPatch) -> None:
    def forever(self: Crowd, reason: str) -> None:
        self._queue.clear()
        self._brood.drop(self._open, reason)

    patch.setattr(Crowd, "_give_up", forever)


@broken("liveness")
def the_end_of_the_counting_is_missed_after_a_stop(patch: pytest.MonkeyPatch) -> None:
    right = Crowd.expanded

    def deaf(self: Crowd, event: Any) -> Any:
        return None if self.stopping is StopReason.CANCELED else right(self, event)

    patch.setattr(Crowd, "expanded", deaf)


@broken("replay")
def names_of_timers_depend_on_other_executions(patch: pytest.MonkeyPatch) -> None:
    numbers = count()
    right = timers.Timers._run

    def run(self: timers.Timers, timer: timers.Timer) -> None:
        self._count = next(numbers)
        right(self, timer)

    patch.setattr(timers.Timers, "_run", run)


@broken("a child's number is used once")
def a_retry_uses_the_same_numbers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Brood, "numbered", lambda self, specs: tuple(specs))


@broken("open ones, once")
def news_of_the_end_are_dropped(patch: pytest.MonkeyPatch) -> None:
    right = Brood.changed

    def changed(self: Brood, news: ChildChanged) -> bool:
        return not news.state.final and right(self, news)

    patch.setattr(Brood, "changed", changed)


@broken("liveness")
def a_delay_never_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(operations.Waiting, "timer_fired", lambda self, timer: None)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_machine_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    how, words = BROKEN[name]
    how(monkeypatch)
    with pytest.raises(AssertionError, match=words):
        for seed in range(SEEDS):
            World(seed).play()
