"""The routing service: signals, the mirror against the store, reasons without write storms."""

from __future__ import annotations

from control_plane.ports.store import Unavailable
from tests.control_plane.services.world import Agent, group, plan, world
from workflow.identifiers import StepRef
from workflow.labels import Target
from workflow.plan.nodes import Delay, Execute, ExecuteItem, Step
from workflow.session import Assign
from workflow.states import ExecutionState, Verdict

S = ExecutionState


async def test_a_freed_slot_goes_to_who_waits_without_time_passing() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=1)
        await w.start()
        second = await w.start()
        first = await dev.assigned()
        await first.run()
        again = await dev.assigned()
        assert again.attempt.execution == (await w.only(second)).id


async def test_a_group_lets_the_next_one_in_when_one_ends() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        runs = [await w.start(plan("heavy", **group(2, "heavy-e2e-tests"))) for _ in range(3)]
        held = [await dev.assigned() for _ in range(2)]
        await w.pass_time(2)
        third = await w.only(runs[2])
        assert third.state is S.QUEUED
        assert third.reason == "waits for its turn among the group heavy-e2e-tests: 2 of at most 2 run"
        await held[0].run()
        assert (await dev.assigned()).attempt.execution == third.id


async def test_a_workflow_without_a_named_group_counts_its_own_runs() -> None:
    async with world().running() as w:
        await w.agent("dev")
        runs = [await w.start(plan("one", **group(1))) for _ in range(2)]
        other = await w.start(plan("two", **group(1)))
        await w.settle()
        assert [(await w.only(run)).state for run in (*runs, other)] == [S.ASSIGNED, S.QUEUED, S.ASSIGNED]
        await w.pass_time(2)
        assert (await w.only(runs[1])).reason == "waits for its turn among the runs of one: 1 of at most 1 run"


async def test_cancel_in_progress_ends_the_oldest_and_says_for_whom() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        old = await w.start(plan("one", **group(1, cancel=True)))
        running = await dev.assigned()
        await running.start()
        new = await w.start(plan("one", **group(1, cancel=True)))
        await w.settle()
        row = await w.only(old)
        assert (row.state, row.stop) == (S.STOPPING, (S.CANCELED, "makes room for one-2 (cancelInProgress)"))
        await running.finish(S.CANCELED)
        assert (await w.run(old)).verdict is Verdict.CANCELED
        assert (await dev.assigned()).attempt.execution == (await w.only(new)).id


async def test_an_orchestrated_workflow_waits_for_its_group_too() -> None:

    steps = (
        Step(StepRef("1"), Execute((ExecuteItem("nobody"),))),
        Step(StepRef("2"), Delay(60_000_000), condition="always"),
    )
    async with world().running() as w:
        runs = [await w.start(plan("orchestra", *steps, **group(1))) for _ in range(2)]
        first, second = [(await w.of(run))[0].id for run in runs]
        await w.until_state(first, S.RUNNING)
        await w.until_entry(first, "step_started", "2")  # the delay
        assert (await w.row(second)).state is S.QUEUED
        await w.clock.advance(61)
        assert (await w.ended(runs[0])).verdict is Verdict.FAILED
        await w.until_state(second, S.RUNNING)


async def test_while_the_store_refuses_nothing_is_lost() -> None:
    async with world().running() as w:
        dev = await w.enlist("dev")
        run = await w.start()
        await dev.connect()
        w.store.refusal = "locked"
        await w.settle()
        w.store.refusal = None
        await w.pass_time(Unavailable("").retry_after)
        assert (await dev.assigned()).attempt.execution == (await w.only(run)).id


async def test_reasons_cost_a_bounded_number_of_writes() -> None:
    async with world().running() as w:
        for _ in range(1200):
            await w.start(plan("suite"), target=Target({"environment": ("prod",)}))
        await w.pass_time(5)
        waiting = await w.store.read(lambda unit: unit.executions.in_states([S.QUEUED]))
        assert len(waiting) == 1200
        assert {row.reason for row in waiting} == {"waits for environment=prod: there are no agents"}
        commits = []
        writing = w.store.write

        async def counted(work):  # type: ignore[no-untyped-def]
            commits.append(1)
            return await writing(work)

        w.store.write = counted  # type: ignore[method-assign]
        for name in ("a", "b", "c", "d"):
            await w.agent(name, environment="dev")
        arrivals = len(commits)
        await w.pass_time(10)
        reason = "waits for environment=prod: 0 of 4 agents match; nearest: a has environment=dev"
        waiting = await w.store.read(lambda unit: unit.executions.in_states([S.QUEUED]))
        assert {row.reason for row in waiting} == {reason}
        assert len(commits) - arrivals <= 4, "five hundred reasons a write, and one round for all that changed"
        await w.pass_time(100)
        assert len(commits) - arrivals <= 4, "and none while nothing changes"


async def test_nothing_is_handed_out_of_a_canceled_run() -> None:
    async with world().running() as w:
        runs = [await w.start() for _ in range(5)]
        dev = await w.enlist("dev")
        await w.house.supervision.cancel(runs[2].id)
        await dev.connect()
        await w.settle()
        states = [(await w.only(run)).state for run in runs]
        assert states == [S.ASSIGNED, S.ASSIGNED, S.CANCELED, S.ASSIGNED, S.ASSIGNED]


async def test_the_least_loaded_agent_gets_the_next_and_service_flags_are_told() -> None:
    async with world().running() as w:
        agents: list[Agent] = [await w.agent(name, limit=4) for name in ("a", "b")]
        for _ in range(4):
            await w.start()
        await w.settle()
        assert [w.house.routing.load_of(agent.name) for agent in agents] == [2, 2]
        offered = await agents[0].heard()
        assert isinstance(offered, Assign)
        assert not offered.service


async def test_a_mistake_of_ours_in_one_round_does_not_stop_the_placing() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        writing, failures = w.store.write, [RuntimeError("a defect")]

        async def once(work):  # type: ignore[no-untyped-def]
            waiting = await w.store.read(lambda unit: unit.executions.in_states([S.QUEUED]))
            if failures and waiting:
                raise failures.pop()
            return await writing(work)

        w.store.write = once  # type: ignore[method-assign]
        run = await w.start()
        await w.pass_time(2)
        assert not failures
        assert (await dev.assigned()).attempt.execution == (await w.only(run)).id
