"""The machine with plain steps: order, conditions, optional, negative, groups, retry, outputs, ends from outside."""

from __future__ import annotations

import pytest

from tests.workflow.execution.hand import Hand
from tests.workflow.execution.plans import group, op, plan, run
from workflow.execution.events import Broken, Exited, Killed, Outcome, StopOperation, Stopped, StopReason
from workflow.identifiers import SECOND, StepRef
from workflow.journal import AttemptFinished, StepOutput, StepStarted, Stop
from workflow.plan.nodes import Container, Delay, EnvVar, Retry, Run
from workflow.states import ExecutionState

BAD = Exited(3)
CANCEL = Stop(ExecutionState.CANCELED, "a person said so")


def test_nothing_happens_before_begun() -> None:
    hand = Hand(plan(run()))
    assert hand.ended("1").last == ()
    assert hand.begun().running == ["1"]


def test_steps_run_one_after_the_other() -> None:
    hand = Hand(plan(run(), run())).begun()
    assert hand.running == ["1"]
    assert hand.ended("1").running == ["2"]
    assert hand.ended("2").state == "passed"
    assert hand.ends() == {"1": "passed", "2": "passed"}
    assert isinstance(hand.entries[-1], AttemptFinished)


def test_an_empty_plan_passes() -> None:
    assert Hand(plan()).begun().state == "passed"


def test_a_failure_skips_what_expects_success_and_runs_what_does_not() -> None:
    steps = [run(), run(), run(condition="always"), run(condition="failed"), run(condition="never")]
    hand = Hand(plan(*steps)).begun().ended("1", BAD)
    assert hand.running == ["3"]
    hand.ended("3")
    assert hand.ended("4").state == "failed"
    assert hand.ends() == {"1": "failed", "2": "skipped", "3": "passed", "4": "passed", "5": "skipped"}
    assert hand.over is not None and hand.over.reason == "step 1: exit code 3"


def test_an_optional_failure_counts_for_nothing() -> None:
    hand = Hand(plan(run(optional=True), run())).begun().ended("1", BAD).ended("2")
    assert (hand.state, hand.ends()["1"]) == ("passed", "failed")


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Exited(0), "failed"), (Exited(1), "passed"), (Broken("no such file"), "passed"), (Killed(9, "OOM"), "failed")],
)
def test_negative_turns_the_end_round_unless_it_was_killed(outcome: Outcome, status: str) -> None:
    assert Hand(plan(run(negative=True))).begun().ended("1", outcome).ends() == {"1": status}


def test_a_group_is_the_and_of_its_children() -> None:
    steps = group(run(), run(optional=True), run())
    good = Hand(plan(steps, run())).begun().ended("1.1").ended("1.2", BAD).ended("1.3")
    assert good.ends() == {"1.1": "passed", "1.2": "failed", "1.3": "passed", "1": "passed"}
    bad = Hand(plan(steps, run())).begun().ended("1.1", BAD).ended("1.2")
    assert bad.ends() == {"1.1": "failed", "1.2": "skipped", "1.3": "skipped", "1": "failed", "2": "skipped"}


def test_a_negative_group_is_turned_round() -> None:
    assert Hand(plan(group(run(), run(), negative=True))).begun().ended("1.1", BAD).state == "passed"
    failed = Hand(plan(group(run(), run(), negative=True))).begun().ended("1.1").ended("1.2")
    assert failed.ends()["1"] == "failed"


def test_children_of_an_always_group_still_expect_success_before_them() -> None:
    hand = Hand(plan(run(), group(run(), run(condition="always"), condition="always"))).begun().ended("1", BAD)
    assert hand.running == ["2.2"]
    assert hand.ended("2.2").ends() == {"1": "failed", "2.1": "skipped", "2.2": "passed", "2": "passed"}


def test_a_skipped_group_skips_all_below() -> None:
    hand = Hand(plan(run(), group(group(run()), run()))).begun().ended("1", BAD)
    assert hand.ends() == {"1": "failed", "2.1.1": "skipped", "2.1": "skipped", "2.2": "skipped", "2": "skipped"}
    assert "an earlier step did not pass" in hand.reason("2")


def test_retry_runs_up_to_count_and_one_more() -> None:
    hand = Hand(plan(run(retry=Retry(2)))).begun()
    for iteration in range(3):
        assert hand.operations[-1].iteration == iteration
        hand.ended("1", BAD, iteration)
    assert hand.state == "failed"
    assert [e.iteration for e in hand.entries if isinstance(e, StepStarted)] == [0, 1, 2]


def test_retry_stops_at_success() -> None:
    hand = Hand(plan(run(retry=Retry(5, "self.passed")))).begun().ended("1", BAD).ended("1", Exited(0), 1)
    assert hand.state == "passed"


def test_the_answer_to_an_earlier_run_changes_nothing() -> None:
    hand = Hand(plan(run(retry=Retry(1)))).begun().ended("1", BAD)
    assert hand.ended("1", Exited(0), 0).last == ()
    assert hand.ended("2", Exited(0), 1).last == ()
    assert hand.ended("1", Exited(0), 1).state == "passed"


def test_outputs_are_written_seen_and_replaced_by_a_retry() -> None:
    step = run(id="build", results_dir="/data/.steps/build", retry=Retry(1))
    hand = Hand(plan(step, run(), run())).begun()
    hand.ended("1", BAD, old="1", both="a").ended("1", Exited(0), 1, both=" b \n")
    names = hand.operations[-1].names
    assert names["step"] == {"build": {"results": "/data/.steps/build", "outputs": {"both": "b"}}}
    assert names["output"] == {"both": "b"}
    outputs = [(e.key, e.value) for e in hand.entries if isinstance(e, StepOutput)]
    assert outputs == [("old", "1"), ("both", "a"), ("both", "b")]


def test_outputs_of_hidden_steps_belong_to_the_users_step() -> None:
    steps = group(run(hidden=True), run(hidden=True, results_dir="/r"), id="mine")
    hand = Hand(plan(steps)).begun().ended("1.1", version="7")
    assert hand.operations[-1].names["step"] == {
        "mine": {"outputs": {"version": "7"}, "results": "/r"},
        "results": "/r",
    }


def test_an_output_is_cut_at_its_limit() -> None:
    hand = Hand(plan(run())).begun().ended("1", big="é" * 4000)
    (value,) = [e.value for e in hand.entries if isinstance(e, StepOutput)]
    assert value == "é" * 2048


def test_variables_and_facts_are_seen() -> None:
    hand = Hand(plan(run()), {"index": 3}).begun()
    assert hand.operations[0].names["index"] == 3


def test_cancel_stops_what_runs_and_runs_nothing_more() -> None:
    hand = Hand(plan(group(run(), run(condition="always")), run(condition="always"))).begun().told(CANCEL)
    assert hand.last == (StopOperation(StepRef("1.1"), 0, StopReason.CANCELED),)
    assert hand.told(Stop(ExecutionState.ABORTED, "later")).last == ()
    hand.ended("1.1", Stopped())
    assert hand.ends() == {"1.1": "canceled", "1.2": "skipped", "1": "canceled", "2": "skipped"}
    assert (hand.state, hand.over and hand.over.reason) == ("canceled", "a person said so")


def test_cancel_before_begun_ends_at_once() -> None:
    hand = Hand(plan(run(), group(run()))).told(CANCEL)
    assert hand.state == "canceled"
    assert hand.begun().last == ()
    assert set(hand.ends().values()) == {"skipped"}


def test_killed_fails_the_step_and_always_runs_later() -> None:
    hand = Hand(plan(run(), run(condition="always"))).begun().ended("1", Killed(9, "OOMKilled"))
    assert hand.running == ["2"]
    assert "OOMKilled" in hand.reason("1")
    assert hand.ended("2").state == "failed"


def test_a_condition_nobody_can_answer_fails_its_step() -> None:
    hand = Hand(plan(run(condition="no.such.name"), run(condition="always"))).begun()
    assert hand.running == ["2"]
    assert "condition" in hand.reason("1")
    assert hand.ended("2").state == "failed"


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        ('step.build.outputs.kind == "fast"', True),
        ("step.build.outputs.missing", False),
        ('env.STAGE == "prod" && passed', True),
        ("env.NOT_SET", False),
        ("index > 2", True),
        ("status == 'passed'", True),
        ("failed || index == 3", True),
        ("output.kind", True),
    ],
)
def test_conditions_see_names(condition: str, runs: bool) -> None:
    hand = Hand(plan(run(id="build"), run(condition=condition)), {"index": 3}).begun(STAGE="prod")
    assert hand.ended("1", kind="fast").running == (["2"] if runs else [])


def test_a_condition_sees_the_plain_env_of_its_container() -> None:
    container = Container(env=(EnvVar("A", "1"), EnvVar("B", "{{ index }}")))
    step = op(Run(container, "true"), condition="env.A == 1 && !env.B")
    assert Hand(plan(step)).begun(A="0").running == ["1"]


def test_until_that_cannot_be_answered_fails_the_step() -> None:
    hand = Hand(plan(run(retry=Retry(3, "no_such")))).begun().ended("1")
    assert (hand.state, "retry.until" in hand.reason("1")) == ("failed", True)


def test_until_sees_the_steps_own_outputs() -> None:
    step = run(id="poll", retry=Retry(9, "step.poll.outputs.ready"))
    hand = Hand(plan(step)).begun().ended("1").ended("1", Exited(0), 1, ready="yes")
    assert hand.state == "passed"


def test_a_delay_needs_no_host() -> None:
    hand = Hand(plan(op(Delay(5 * SECOND)), run())).begun()
    assert hand.operations == []
    hand.pass_time(4 * SECOND)
    assert hand.operations == []
    assert hand.pass_time(SECOND).running == ["2"]


def test_nothing_comes_after_the_end() -> None:
    hand = Hand(plan(run())).begun().ended("1")
    assert hand.machine.over
    assert hand.told(CANCEL).last == hand.ended("1").last == hand.begun().last == ()
