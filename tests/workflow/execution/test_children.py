"""Steps with children: execute, parallel, services."""

from __future__ import annotations

from typing import Any

from tests.workflow.execution.hand import Hand
from tests.workflow.execution.plans import group, op, plan, run
from workflow.execution.broods import ENTRY_CHILDREN
from workflow.execution.events import (
    Broken,
    Done,
    Exited,
    ExpandChildren,
    StopOperation,
    Stopped,
    StopReason,
    UnpackFiles,
)
from workflow.identifiers import SECOND, StepRef
from workflow.journal import (
    ChildKind,
    ChildrenDropped,
    ChildrenResumed,
    ChildrenWanted,
    ChildSpec,
    Pause,
    Resume,
    Stop,
)
from workflow.plan.nodes import (
    Execute,
    ExecuteItem,
    Parallel,
    Plan,
    Retry,
    Service,
    Spread,
    StartServices,
    Step,
    StopServices,
)
from workflow.states import ExecutionState as State

WORKER = Plan("worker", ())
CANCEL = Stop(State.CANCELED, "enough")


def execute(**how: Any) -> Execute:
    return Execute((ExecuteItem("child"),), **how)


def parallel(**how: Any) -> Parallel:
    return Parallel(WORKER, Spread(), **how)


def children(count: int, kind: ChildKind = ChildKind.WORKFLOW) -> tuple[ChildSpec, ...]:
    return tuple(ChildSpec(kind, index, workflow=f"w{index}") for index in range(count))


def wanted(hand: Hand) -> list[list[int]]:
    return [[child.index for child in e.children] for e in hand.entries if isinstance(e, ChildrenWanted)]


def dropped(hand: Hand) -> list[tuple[tuple[int, ...], bool]]:
    return [(e.indices, e.expected) for e in hand.entries if isinstance(e, ChildrenDropped)]


def resumed(hand: Hand) -> list[tuple[int, ...]]:
    return [e.indices for e in hand.entries if isinstance(e, ChildrenResumed)]


# --- execute -----------------------------------------------------------------------------------------------------


def test_children_are_wanted_in_waves() -> None:
    hand = Hand(plan(op(execute(parallelism=2)), run())).begun()
    assert [type(command) for command in hand.last][-1] is ExpandChildren
    hand.expanded("1", *children(3))
    assert wanted(hand) == [[0, 1]]
    hand.child("1", 1, State.RUNNING)
    assert wanted(hand) == [[0, 1]]
    hand.child("1", 1, State.PASSED)
    assert wanted(hand) == [[0, 1], [2]]
    hand.child("1", 0, State.PASSED)
    assert hand.child("1", 2, State.PASSED).running == ["2"]


def test_one_bad_child_fails_the_step_when_all_have_ended() -> None:
    hand = Hand(plan(op(execute()))).begun().expanded("1", *children(3)).child("1", 0, State.FAILED, reason="exit 1")
    hand.child("1", 1, State.PASSED)
    assert hand.state == ""
    assert hand.child("1", 2, State.ABORTED).state == "failed"
    assert hand.reason("1") == "2 of 3 did not pass: w0 failed (exit 1); w2 aborted"


def test_a_canceled_child_did_not_pass() -> None:
    hand = Hand(plan(op(execute()))).begun().expanded("1", *children(1)).child("1", 0, State.CANCELED)
    assert hand.state == "failed"


def test_repeated_and_late_news_change_nothing() -> None:
    hand = Hand(plan(op(execute(parallelism=1)), run())).begun().expanded("1", *children(2))
    hand.child("1", 0, State.PASSED)
    assert hand.child("1", 0, State.FAILED).last == ()
    assert hand.child("1", 0, State.PASSED).last == ()
    assert hand.child("1", 7, State.FAILED).last == ()
    assert hand.child("9", 0, State.FAILED).last == ()
    assert hand.expanded("1", *children(5)).last == ()
    hand.child("1", 1, State.PASSED)
    assert hand.child("1", 1, State.FAILED).last == ()
    assert hand.ended("2").state == "passed"


def test_a_retry_makes_new_children() -> None:
    hand = Hand(plan(op(execute(), retry=Retry(1)))).begun().expanded("1", *children(2))
    hand.child("1", 0, State.FAILED).child("1", 1, State.PASSED)
    hand.expanded("1", *children(2), iteration=1)
    assert wanted(hand) == [[0, 1], [2, 3]]
    assert hand.child("1", 1, State.FAILED).last == ()
    assert hand.child("1", 2, State.PASSED).child("1", 3, State.PASSED).state == "passed"


def test_async_does_not_wait() -> None:
    hand = Hand(plan(op(execute(wait=False, parallelism=1)), run())).begun().expanded("1", *children(3))
    assert wanted(hand) == [[0, 1, 2]]
    assert hand.running == ["2"]
    assert hand.child("1", 0, State.FAILED).last == ()
    assert hand.ended("2").state == "passed"


def test_what_cannot_be_counted_fails_the_step() -> None:
    hand = Hand(plan(op(execute()))).begun().expanded("1", problem="count must be a number")
    assert (hand.state, hand.reason("1")) == ("failed", "count must be a number")


def test_many_children_come_in_several_entries() -> None:
    hand = Hand(plan(op(parallel(parallelism=1000)))).begun().expanded("1", *children(2 * ENTRY_CHILDREN + 1))
    assert [len(some) for some in wanted(hand)] == [ENTRY_CHILDREN, ENTRY_CHILDREN, 1]


def test_large_children_come_in_several_entries() -> None:
    large = [ChildSpec(ChildKind.WORKFLOW, i, config={"x": "y" * 40_000}) for i in range(4)]
    assert wanted(Hand(plan(op(execute()))).begun().expanded("1", *large)) == [[0], [1], [2], [3]]


# --- stopping ----------------------------------------------------------------------------------------------------


def test_a_time_out_drops_the_children_and_waits_for_them() -> None:
    hand = Hand(plan(op(execute(parallelism=2), timeout=SECOND), run(condition="always"))).begun()
    hand.expanded("1", *children(3)).child("1", 0, State.PASSED).pass_time(SECOND)
    assert dropped(hand) == [((1, 2), False)]
    hand.child("1", 1, State.CANCELED)
    assert hand.running == []
    assert hand.child("1", 2, State.CANCELED).running == ["2"]
    assert hand.ends() == {"1": "timeout"}


def test_children_that_do_not_answer_are_waited_for_only_so_long() -> None:
    hand = Hand(plan(op(execute(), timeout=SECOND))).begun().expanded("1", *children(2)).pass_time(SECOND)
    assert hand.state == ""
    assert hand.pass_time(60 * SECOND).state == "failed"
    assert hand.ends() == {"1": "timeout"}


def test_cancel_drops_the_children() -> None:
    hand = Hand(plan(op(parallel()))).begun().expanded("1", *children(2)).told(CANCEL)
    assert dropped(hand) == [((0, 1), False)]
    assert hand.child("1", 0, State.CANCELED).child("1", 1, State.CANCELED).state == "canceled"


def test_cancel_while_counting_ends_with_the_answer() -> None:
    hand = Hand(plan(op(parallel()))).begun().told(CANCEL)
    assert hand.state == ""
    assert hand.expanded("1", *children(2)).state == "canceled"
    assert wanted(hand) == []


def test_no_child_starts_in_pause() -> None:
    hand = Hand(plan(op(execute(parallelism=1)))).begun().expanded("1", *children(2)).told(Pause())
    hand.child("1", 0, State.PASSED)
    assert wanted(hand) == [[0]]
    hand.told(Resume())
    assert wanted(hand) == [[0], [1]]
    assert hand.child("1", 1, State.PASSED).state == "passed"


# --- parallel ----------------------------------------------------------------------------------------------------


def test_no_worker_at_all_passes() -> None:
    assert Hand(plan(op(parallel()))).begun().expanded("1").state == "passed"


def test_fail_fast_stops_the_others_and_skips_the_rest() -> None:
    hand = Hand(plan(op(parallel(fail_fast=True, parallelism=2)))).begun().expanded("1", *children(4))
    hand.child("1", 0, State.FAILED)
    assert dropped(hand) == [((1,), False)]
    assert wanted(hand) == [[0, 1]]
    assert hand.child("1", 1, State.CANCELED).state == "failed"
    assert "2 never started" in hand.reason("1")


def test_without_fail_fast_all_run() -> None:
    hand = Hand(plan(op(parallel(parallelism=1)))).begun().expanded("1", *children(2)).child("1", 0, State.FAILED)
    assert wanted(hand) == [[0], [1]]
    assert hand.child("1", 1, State.PASSED).state == "failed"


def test_synchronised_workers_go_on_together() -> None:
    hand = Hand(plan(op(parallel(synchronised=True)))).begun().expanded("1", *children(3))
    hand.child("1", 0, State.PAUSED).child("1", 1, State.PAUSED)
    assert resumed(hand) == []
    hand.child("1", 2, State.PAUSED)
    assert resumed(hand) == [(0, 1, 2)]
    hand.child("1", 2, State.RUNNING).child("1", 2, State.PAUSED)
    assert resumed(hand) == [(0, 1, 2)]


def test_a_worker_that_dies_before_the_start_is_not_waited_for() -> None:
    hand = Hand(plan(op(parallel(synchronised=True)))).begun().expanded("1", *children(2)).child("1", 0, State.PAUSED)
    assert hand.child("1", 1, State.ABORTED).entries[-1] == hand.entries[-1]
    assert resumed(hand) == [(0,)]


def test_a_worker_handed_out_again_is_resumed_again() -> None:
    hand = Hand(plan(op(parallel(synchronised=True)))).begun().expanded("1", *children(1)).child("1", 0, State.PAUSED)
    hand.child("1", 0, State.QUEUED).child("1", 0, State.PAUSED)
    assert resumed(hand) == [(0,), (0,)]


def test_a_synchronised_start_with_more_workers_than_room() -> None:
    hand = Hand(plan(op(parallel(synchronised=True, parallelism=2)))).begun().expanded("1", *children(3))
    hand.child("1", 0, State.PAUSED).child("1", 1, State.PAUSED).child("1", 0, State.PASSED)
    hand.child("1", 2, State.PAUSED)
    assert resumed(hand) == [(0, 1), (2,)]


def test_fetched_files_are_unpacked_at_the_end() -> None:
    hand = Hand(plan(op(parallel()), run(condition="always"))).begun().expanded("1", *children(2))
    hand.child("1", 1, State.FAILED, fetched=(("sha256:b", "/r"),))
    hand.child("1", 0, State.PASSED, fetched=(("sha256:a", "/r"),))
    assert hand.last == (UnpackFiles(StepRef("1"), 0, (("sha256:a", "/r"), ("sha256:b", "/r"))),)
    assert hand.ended("1", Done()).running == ["2"]
    assert hand.ends() == {"1": "failed"}


def test_files_that_cannot_be_unpacked_fail_the_step() -> None:
    hand = Hand(plan(op(parallel()))).begun().expanded("1", *children(1))
    hand.child("1", 0, State.PASSED, fetched=(("sha256:a", "/r"),)).ended("1", Broken("disk full"))
    assert (hand.state, hand.reason("1")) == ("failed", "disk full")


def test_a_time_out_reaches_the_unpacking() -> None:
    hand = Hand(plan(op(parallel(), timeout=SECOND))).begun().expanded("1", *children(1))
    hand.child("1", 0, State.PASSED, fetched=(("sha256:a", "/r"),)).pass_time(SECOND)
    assert hand.last == (StopOperation(StepRef("1"), 0, StopReason.TIMEOUT),)
    assert hand.ended("1", Stopped()).ends() == {"1": "timeout"}


# --- services ----------------------------------------------------------------------------------------------------


def services(*names: str, limit: int | None = None) -> Step:
    items = tuple(Service(name, WORKER, Spread(), limit) for name in names)
    return op(StartServices(items), hidden=True)


def instances(*items: int) -> tuple[ChildSpec, ...]:
    return tuple(ChildSpec(ChildKind.SERVICE, index, item) for index, item in enumerate(items))


STOP = op(StopServices(StepRef("1.1")), condition="always", hidden=True)


def test_services_are_waited_for_seen_and_stopped() -> None:
    hand = Hand(plan(group(services("db", "web"), run(), STOP))).begun().expanded("1.1", *instances(0, 0, 1))
    assert wanted(hand) == [[0, 1, 2]]
    hand.child("1.1", 0, State.RUNNING, ready=True, address="10.0.0.1")
    hand.child("1.1", 2, State.RUNNING, ready=True, address="10.0.0.3", description="the web")
    assert hand.running == []
    assert hand.child("1.1", 1, State.RUNNING, ready=True, address="10.0.0.2").running == ["1.2"]
    assert hand.operations[0].names["services"] == {
        "db": [{"ip": "10.0.0.1", "description": ""}, {"ip": "10.0.0.2", "description": ""}],
        "web": [{"ip": "10.0.0.3", "description": "the web"}],
    }
    hand.ended("1.2")
    assert dropped(hand) == [((0, 1, 2), True)]
    assert hand.state == "passed"


def test_a_service_that_is_not_ready_in_time_fails_the_start() -> None:
    hand = Hand(plan(group(services("db", limit=SECOND), run(), STOP))).begun().expanded("1.1", *instances(0))
    hand.pass_time(SECOND)
    assert hand.ends() == {"1.1": "failed", "1.2": "skipped", "1.3": "passed", "1": "failed"}
    assert hand.reason("1.1") == "service db.0 was not ready within 1s"
    assert dropped(hand) == [((0,), True)]


def test_a_service_that_fails_before_it_is_ready_fails_the_start_and_the_stop() -> None:
    hand = Hand(plan(group(services("db"), run(), STOP))).begun().expanded("1.1", *instances(0))
    hand.child("1.1", 0, State.FAILED, reason="exit code 1")
    assert hand.ends() == {"1.1": "failed", "1.2": "skipped", "1.3": "failed", "1": "failed"}
    assert "db.0 failed (exit code 1)" in hand.reason("1.1")


def test_a_service_that_crashed_meanwhile_fails_the_stop() -> None:
    hand = Hand(plan(group(services("db"), run(), STOP))).begun().expanded("1.1", *instances(0))
    hand.child("1.1", 0, State.RUNNING, ready=True).child("1.1", 0, State.ABORTED, reason="OOMKilled").ended("1.2")
    assert hand.ends()["1.3"] == "failed"
    assert hand.reason("1.3") == "service db.0 aborted (OOMKilled)"


def test_a_service_that_exits_well_is_fine() -> None:
    hand = Hand(plan(group(services("db"), run(), STOP))).begun().expanded("1.1", *instances(0))
    assert hand.child("1.1", 0, State.PASSED).running == ["1.2"]
    assert hand.ended("1.2").state == "passed"
    assert dropped(hand) == []


def test_a_service_that_exits_before_its_probe_answers_was_never_ready() -> None:
    probed = op(StartServices((Service("db", WORKER, Spread(), readiness_probe={"tcpSocket": {"port": 1}}),)))
    hand = Hand(plan(group(probed, run(), STOP))).begun().expanded("1.1", *instances(0)).child("1.1", 0, State.PASSED)
    assert hand.reason("1.1") == "service db.0 passed before it was ready"


def test_a_service_that_was_ready_once_may_exit() -> None:
    probed = op(StartServices((Service("db", WORKER, Spread("2"), readiness_probe={"tcpSocket": {"port": 1}}),)))
    hand = Hand(plan(group(probed, run(), STOP))).begun().expanded("1.1", *instances(0, 0))
    hand.child("1.1", 0, State.RUNNING, ready=True).child("1.1", 0, State.PASSED)
    assert hand.child("1.1", 1, State.RUNNING, ready=True).running == ["1.2"]


def test_services_without_instances_are_ready() -> None:
    hand = Hand(plan(group(services("db", limit=SECOND), run(), STOP))).begun().expanded("1.1")
    assert hand.running == ["1.2"]
    assert hand.operations[0].names["services"] == {"db": []}


def test_cancel_drops_services_though_their_stop_never_runs() -> None:
    hand = Hand(plan(group(services("db"), run(), STOP))).begun().expanded("1.1", *instances(0))
    hand.child("1.1", 0, State.RUNNING, ready=True).told(CANCEL).ended("1.2", Stopped())
    assert dropped(hand) == [((0,), True)]
    assert hand.state == "canceled"


def test_a_time_out_of_their_group_stops_services() -> None:
    hand = Hand(plan(group(services("db"), run(), STOP, timeout=SECOND))).begun().expanded("1.1", *instances(0))
    hand.child("1.1", 0, State.RUNNING, ready=True).pass_time(SECOND).ended("1.2", Stopped())
    assert dropped(hand) == [((0,), True)]
    assert hand.ends() == {"1.1": "passed", "1.2": "timeout", "1.3": "passed", "1": "timeout"}


def test_a_failed_step_does_not_keep_services_alive() -> None:
    hand = Hand(plan(group(services("db"), run()))).begun().expanded("1.1", *instances(0))
    hand.child("1.1", 0, State.RUNNING, ready=True).ended("1.2", Exited(1))
    assert dropped(hand) == [((0,), True)]
