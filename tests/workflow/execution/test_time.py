"""Time-outs, deadlines, pauses."""

from __future__ import annotations

from tests.workflow.execution.hand import Hand
from tests.workflow.execution.plans import group, op, plan, run
from workflow.execution.events import (
    CancelTimer,
    ContinueOperation,
    Exited,
    StartOperation,
    StopOperation,
    Stopped,
    StopReason,
    SuspendOperation,
    Write,
)
from workflow.identifiers import SECOND, Instant, StepRef
from workflow.journal import Pause, Resume, StepPaused, StepResumed, StepStarted, Stop
from workflow.plan.nodes import Delay, Retry, SaveArtifacts
from workflow.states import ExecutionState

ARTIFACTS = op(SaveArtifacts(("**",)), condition="always", hidden=True)


def stop(ref: str, reason: StopReason = StopReason.TIMEOUT, iteration: int = 0) -> StopOperation:
    return StopOperation(StepRef(ref), iteration, reason)


def test_a_time_out_stops_the_step() -> None:
    hand = Hand(plan(run(timeout=5 * SECOND), run())).begun().pass_time(4 * SECOND)
    assert hand.last[-1] != stop("1")
    assert hand.pass_time(SECOND).last == (stop("1"),)
    hand.ended("1", Stopped())
    assert hand.ends() == {"1": "timeout", "2": "skipped"}
    assert hand.state == "failed"


def test_an_exit_that_crosses_the_stop_is_still_a_time_out() -> None:
    hand = Hand(plan(run(timeout=SECOND, negative=True))).begun().pass_time(SECOND).ended("1", Exited(0))
    assert hand.ends() == {"1": "timeout"}


def test_the_timer_is_forgotten_when_the_step_ends() -> None:
    hand = Hand(plan(run(timeout=SECOND), run())).begun().ended("1")
    assert any(isinstance(command, CancelTimer) for command in hand.last)
    assert hand.timers == {}


def test_each_run_of_a_retry_has_its_own_time() -> None:
    hand = Hand(plan(run(timeout=2 * SECOND, retry=Retry(1)))).begun().pass_time(SECOND).ended("1", Exited(1))
    hand.pass_time(SECOND + SECOND // 2)
    assert hand.last == () or not isinstance(hand.last[-1], StopOperation)
    assert hand.pass_time(SECOND).last == (stop("1", iteration=1),)
    assert hand.ended("1", Stopped(), 1).ends() == {"1": "timeout"}


def test_a_step_that_timed_out_is_tried_again() -> None:
    hand = Hand(plan(run(timeout=SECOND, retry=Retry(1)))).begun().pass_time(SECOND).ended("1", Stopped())
    assert hand.running == ["1"]
    assert hand.ended("1", Exited(0), 1).state == "passed"


def test_a_group_time_out_ends_all_in_it_and_is_not_retried() -> None:
    steps = group(run(retry=Retry(5)), run(condition="always"), timeout=SECOND)
    hand = Hand(plan(steps, run(condition="always"))).begun().pass_time(SECOND)
    assert hand.last == (stop("1.1"),)
    assert hand.ended("1.1", Stopped()).running == ["2"]
    assert hand.ends() == {"1.1": "timeout", "1.2": "skipped", "1": "timeout"}


def test_a_group_time_out_reaches_inner_groups_and_leaves_outer_ones() -> None:
    hand = Hand(plan(group(group(group(run(), run()), timeout=SECOND), run(condition="failed")))).begun()
    hand.pass_time(SECOND).ended("1.1.1.1", Stopped())
    assert hand.running == ["1.2"]
    assert hand.ended("1.2").ends() == {
        "1.1.1.1": "timeout",
        "1.1.1.2": "skipped",
        "1.1.1": "timeout",
        "1.1": "timeout",
        "1.2": "passed",
        "1": "failed",
    }


def test_artifacts_are_saved_after_a_group_time_out() -> None:
    hand = Hand(plan(group(run(), ARTIFACTS, timeout=SECOND))).begun().pass_time(SECOND).ended("1.1", Stopped())
    assert hand.running == ["1.2"]
    assert hand.ended("1.2").ends() == {"1.1": "timeout", "1.2": "passed", "1": "timeout"}


def test_an_inner_time_out_does_not_wait_for_the_outer_one() -> None:
    hand = Hand(plan(group(run(timeout=SECOND), timeout=3 * SECOND))).begun().pass_time(SECOND).ended("1.1", Stopped())
    assert hand.ends() == {"1.1": "timeout", "1": "failed"}
    assert hand.timers == {}


def test_the_deadline_aborts_and_even_always_does_not_run() -> None:
    hand = Hand(plan(run(), run(condition="always"), active_deadline=9 * SECOND)).begun().pass_time(9 * SECOND)
    assert hand.last == (stop("1", StopReason.ABORTED),)
    hand.ended("1", Stopped())
    assert hand.ends() == {"1": "aborted", "2": "skipped"}
    assert hand.over is not None
    assert (hand.state, "9s" in hand.over.reason) == ("aborted", True)


def test_pause_suspends_and_resume_continues() -> None:
    hand = Hand(plan(run())).begun().told(Pause())
    ref = StepRef("1")
    assert hand.last == (SuspendOperation(ref, 0), Write(StepPaused(Instant(0), ref)))
    assert hand.told(Pause()).last == ()
    assert hand.told(Resume()).last == (Write(StepResumed(Instant(0), ref)), ContinueOperation(ref, 0))
    assert hand.told(Resume()).last == ()
    assert hand.ended("1").state == "passed"


def test_time_in_pause_does_not_count_for_time_outs() -> None:
    hand = Hand(plan(group(run(timeout=5 * SECOND), timeout=7 * SECOND))).begun().pass_time(3 * SECOND)
    hand.told(Pause()).pass_time(100 * SECOND)
    assert hand.machine.over is False
    hand.told(Resume()).pass_time(SECOND)
    assert all(not isinstance(command, StopOperation) for command in hand.last)
    assert hand.pass_time(SECOND).last == (stop("1.1"),)


def test_the_deadline_goes_on_in_pause() -> None:
    hand = Hand(plan(run(), active_deadline=SECOND)).begun().told(Pause()).pass_time(SECOND)
    assert hand.ended("1", Stopped()).state == "aborted"


def test_a_delay_stands_still_in_pause() -> None:
    hand = Hand(plan(op(Delay(2 * SECOND)))).begun().pass_time(SECOND).told(Pause()).pass_time(50 * SECOND)
    assert hand.state == ""
    assert hand.told(Resume()).pass_time(SECOND).state == "passed"


def test_no_step_starts_in_pause() -> None:
    hand = Hand(plan(run(), run())).begun().told(Pause()).ended("1")
    assert hand.running == []
    assert isinstance(hand.entries[-1], StepPaused)
    assert hand.told(Resume()).running == ["2"]
    assert hand.ended("2").state == "passed"


def test_no_retry_starts_in_pause() -> None:
    hand = Hand(plan(run(retry=Retry(1)))).begun().told(Pause()).ended("1", Exited(1))
    assert hand.running == []
    assert hand.told(Resume()).running == ["1"]
    assert hand.operations[-1].iteration == 1


def test_pause_before_begun_holds_the_first_step() -> None:
    hand = Hand(plan(run())).told(Pause()).begun()
    assert hand.operations == []
    assert hand.told(Resume()).running == ["1"]


def test_a_paused_step_waits_for_resume() -> None:
    hand = Hand(plan(run(), run(paused=True, timeout=SECOND))).begun().ended("1").pass_time(60 * SECOND)
    assert [type(entry) for entry in hand.entries[-1:]] == [StepPaused]
    assert hand.told(Resume()).running == ["2"]
    kinds = [type(command.entry) for command in hand.last if isinstance(command, Write)]
    assert kinds == [StepResumed, StepStarted]


def test_a_paused_group_waits_once_and_its_parents_time_stands_still() -> None:
    hand = Hand(plan(group(run(), group(run(), run(), paused=True), timeout=5 * SECOND))).begun().ended("1.1")
    hand.pass_time(60 * SECOND).told(Resume()).pass_time(4 * SECOND)
    assert hand.state == ""
    assert hand.ended("1.2.1").running == ["1.2.2"]


def test_a_paused_step_whose_condition_does_not_hold_is_skipped() -> None:
    assert Hand(plan(run(), run(paused=True))).begun().ended("1", Exited(1)).state == "failed"


def test_cancel_reaches_what_is_held() -> None:
    cancel = Stop(ExecutionState.CANCELED, "enough")
    hand = Hand(plan(group(run(), paused=True), run())).begun().told(cancel)
    assert hand.ends() == {"1.1": "skipped", "1": "canceled", "2": "skipped"}
    assert hand.state == "canceled"


def test_cancel_in_pause_needs_no_resume() -> None:
    hand = Hand(plan(run())).begun().told(Pause()).told(Stop(ExecutionState.CANCELED, "enough"))
    assert hand.last == (stop("1", StopReason.CANCELED),)
    assert hand.told(Resume()).last == ()
    assert hand.ended("1", Stopped()).state == "canceled"


def test_cancel_after_a_time_out_ends_as_canceled() -> None:
    hand = Hand(plan(run(timeout=SECOND))).begun().pass_time(SECOND).told(Stop(ExecutionState.CANCELED, "enough"))
    assert hand.last == ()
    assert hand.ended("1", Stopped()).ends() == {"1": "canceled"}


def test_a_timer_that_crossed_its_cancellation_changes_nothing() -> None:
    from workflow.execution.events import StartTimer, TimerFired

    hand = Hand(plan(run(timeout=SECOND), run())).begun()
    (timer,) = [command for command in hand.last if isinstance(command, StartTimer)]
    assert any(isinstance(command, StartOperation) for command in hand.last)
    hand.ended("1")
    assert hand.feed(TimerFired(Instant(SECOND), timer.timer)) == ()
