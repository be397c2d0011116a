"""The rules of placing: examples, and a model of a whole fleet driven at random against them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings

from tests.workflow.fleet import Fleet, seat
from workflow.identifiers import AgentName, ExecutionId, StepRef
from workflow.labels import Target
from workflow.routing import Floor, Seat, Work
from workflow.states import ExecutionState

Q, A, R, P = ExecutionState.QUEUED, ExecutionState.ASSIGNED, ExecutionState.RUNNING, ExecutionState.PAUSED
DEV, PROD = AgentName("dev"), AgentName("prod")


def work(name: str, workflow: str = "w", queued: int = 0, **more: object) -> Work:
    return Work(ExecutionId(name), Q, workflow, queued, **more)  # type: ignore[arg-type]


def floor(*things: Work | Seat) -> Floor:
    made = Floor()
    for thing in things:
        if isinstance(thing, Seat):
            made.seat(thing)
        else:
            made.note(thing)
    return made


def placed(made: Floor) -> list[tuple[str, str | None]]:
    return [(p.execution, p.agent) for p in made.place().placements]


# --- examples ----------------------------------------------------------------------------------------------------


def test_first_come_first_served_up_to_the_limit() -> None:
    made = floor(work("b", queued=2), work("a", queued=1), work("c", queued=3), seat("dev", 2))
    assert placed(made) == [("a", "dev"), ("b", "dev")]
    assert placed(made) == []
    assert made.why(ExecutionId("c")) == "waits for a free slot: dev matches, all slots taken"


def test_the_least_loaded_agent_by_share_of_its_slots() -> None:
    made = floor(seat("big", 10), seat("small", 2), *(work(f"e{i}", queued=i) for i in range(6)))
    agents = [agent for _, agent in placed(made)]
    assert agents.count("small") == 1


def test_equally_loaded_agents_take_turns() -> None:
    made = floor(seat("a", 10), seat("b", 10))
    got = []
    for i in range(4):
        made.note(work(f"e{i}"))
        ((name, agent),) = placed(made)
        got.append(agent)
        made.note(Work(ExecutionId(name), ExecutionState.PASSED, "w", 0))
    assert got == ["a", "b", "a", "b"]


def test_workflows_take_turns() -> None:
    made = floor(*(work(f"a{i}", "a", i) for i in range(4)), work("b0", "b", 9), work("b1", "b", 10), seat("dev", 4))
    assert [name for name, _ in placed(made)] == ["a0", "b0", "a1", "b1"]


def test_a_workflow_that_always_has_one_thing_waiting_does_not_come_first_each_time() -> None:
    made = floor(*(work(f"b{i}", "b", i) for i in range(3)), seat("dev", 1))
    order = []
    for i in range(6):
        made.note(work(f"a{i}", "a", 100 + i))
        ((name, _),) = placed(made)
        order.append(name[0])
        made.note(Work(ExecutionId(name), ExecutionState.PASSED, name[0], 0))
    assert "".join(order).count("b") == 3


def test_an_agent_that_refused_it_is_not_asked_again() -> None:
    made = floor(seat("dev"), work("e", refused={"dev": "no image"}))
    decisions = made.place()
    assert not decisions.placements
    assert decisions.hopeless == (("e", "dev refuses it: no image"),)


def test_a_draining_agent_takes_nothing_but_what_belongs_to_what_it_runs() -> None:
    made = floor(replace(seat("dev", 5), draining=True), work("new"), work("worker", pinned=DEV))
    assert placed(made) == [("worker", "dev")]
    assert made.why(ExecutionId("new")) == "waits for any agent: dev matches, draining"


def test_a_groups_limit_holds_over_agents() -> None:
    heavy = [work(f"e{i}", queued=i, group="heavy", group_max=2) for i in range(3)]
    made = floor(seat("dev", 9), seat("prod", 9), *heavy)
    assert len(placed(made)) == 2
    assert made.why(ExecutionId("e2")) == "waits for its turn among the group heavy: 2 of at most 2 run"


def test_cancel_in_progress_makes_room_by_the_oldest_and_once() -> None:
    old, new = (work(name, group="g", group_max=1, cancel_in_progress=True) for name in ("old", "new"))
    made = floor(seat("dev", 9), old)
    placed(made)
    made.note(replace(new, queued=2))
    assert made.place().evictions == (("old", "new"),)
    made.note(replace(old, state=ExecutionState.STOPPING, agent=DEV, stopping=True))
    assert not made.place()
    made.note(replace(old, state=ExecutionState.CANCELED))
    assert placed(made) == [("new", "dev")]


def test_a_group_does_not_lock_out_the_children_of_who_holds_it() -> None:
    parent = work("parent", group="g", group_max=1)
    made = floor(seat("dev", 9), parent)
    placed(made)
    made.note(work("child", group="g", group_max=1, parent=parent.id, parent_ref=StepRef("1"), depth=1))
    assert placed(made) == [("child", "dev")]


def test_a_waiting_parent_lends_its_slot_and_takes_it_back() -> None:
    parent = replace(work("p"), state=R, agent=DEV, attempt=1, waits_at=StepRef("1"))
    child = work("c", parent=parent.id, parent_ref=StepRef("1"), depth=1, pinned=DEV)
    made = floor(seat("dev", 1), parent, child, work("other", "x"))
    assert placed(made)[0] == ("c", "dev")
    assert made.load(DEV) == 1
    made.note(replace(child, state=ExecutionState.PASSED))
    assert made.load(DEV) == 1
    assert placed(made) == [], "the slot is the parent's again before anybody else gets it"


def test_a_signal_of_nothing_new_decides_nothing() -> None:
    made = floor(work("e"))
    assert not made.place()
    assert made.why(ExecutionId("e")) == "waits for any agent: there are no agents"


def test_what_was_not_handed_out_after_all_is_placed_again() -> None:
    made = floor(seat("dev"), work("e"))
    ((name, _),) = placed(made)
    assert placed(made) == []
    made.take_back(ExecutionId(name))
    assert placed(made) == [("e", "dev")]


def test_what_waits_for_something_else_now_waits_there_alone() -> None:
    made = floor(seat("dev"), seat("prod"), work("e", target=Target({"name": ("staging",)})))
    made.note(work("e", target=Target({"name": ("prod",)})))
    assert placed(made) == [("e", "prod")]
    assert made.waiting() == ()


def test_a_service_does_not_wait_behind_a_worker_that_needs_a_slot() -> None:
    made = floor(seat("dev", 1), work("busy"))
    placed(made)
    made.note(work("worker", queued=1, depth=1, pinned=DEV))
    made.note(work("service", queued=2, depth=1, pinned=DEV, rides=True))
    assert placed(made) == [("service", "dev")]


def test_a_thousand_agents_and_a_burst_are_placed_within_bounded_work() -> None:
    made = floor(*(seat(f"a{i}", 2) for i in range(1000)), *(work(f"e{i}", queued=i) for i in range(500)))
    assert len(made.place(1000).placements) == 500


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
