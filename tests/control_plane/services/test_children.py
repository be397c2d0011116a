"""Workers and services: children from the journal, with agents of one slot."""

from __future__ import annotations

from control_plane.ports.records import ExecutionRow
from tests.control_plane.services.world import AT, Agent, Conduct, World, plan, world
from workflow.identifiers import StepRef
from workflow.journal import (
    ChildChanged,
    ChildKind,
    ChildrenDropped,
    ChildrenResumed,
    ChildrenWanted,
    ChildSpec,
    Pause,
    Resume,
    StepFinished,
    StepPaused,
    StepResumed,
    StepStarted,
    Stop,
    TransferStored,
)
from workflow.plan.nodes import (
    Container,
    Json,
    Parallel,
    Plan,
    Run,
    Service,
    Spread,
    StartServices,
    Step,
)
from workflow.session import ChildAddress
from workflow.states import ExecutionState, StepStatus, Verdict

ONE, TWO = StepRef("1"), StepRef("2")
WORKER = plan("suite")
PARALLEL = Step(ONE, Parallel(WORKER, Spread("3")), name="Workers")
SERVICE = Step(ONE, StartServices((Service("db", WORKER, Spread()),)), name="Services")
SHELL = Step(TWO, Run(Container(), "true"), name="After")


def workers(count: int, start: int = 0) -> ChildrenWanted:
    """A step's wish for workers."""
    specs = (ChildSpec(ChildKind.WORKER, i, variables={"index": i}) for i in range(start, start + count))
    return ChildrenWanted(AT, ONE, tuple(specs))


async def parent_of(w: World, agent: Agent, what: Plan) -> Conduct:
    """A running parent."""
    await w.start(what)
    conduct = await agent.assigned()
    await conduct.start()
    return conduct


async def children(w: World, conduct: Conduct) -> list[ExecutionRow]:
    """The children as stored."""
    parent = conduct.attempt.execution
    return list(await w.store.read(lambda unit: unit.executions.children(parent)))


async def test_one_slot_finishes_a_workflow_with_parallel_workers() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=1)
        run = await w.start(plan("suite", PARALLEL, SHELL))
        parent = await dev.assigned()
        await parent.start()
        await parent.write(StepStarted(AT, ONE), workers(3))
        for index in range(3):
            worker = await dev.assigned()
            assert worker.bundle.variables["index"] == index
            await w.settle()
            live = [row for row in await children(w, parent) if row.state.live]
            assert len(live) == 1, "the slot that the parent lends is one slot"
            await worker.run()
        told = [await parent.directive() for _ in range(3)]
        assert {(t.index, t.state) for t in told if isinstance(t, ChildChanged)} == {
            (i, ExecutionState.PASSED) for i in range(3)
        }
        await parent.write(StepFinished(AT, ONE, StepStatus.PASSED))
        await parent.finish()
        assert (await w.run(run)).verdict is Verdict.PASSED


async def test_one_slot_starts_services_beside_their_parent() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=1)
        parent = await parent_of(w, dev, plan("suite", SERVICE, SHELL))
        await parent.write(StepStarted(AT, ONE), ChildrenWanted(AT, ONE, (ChildSpec(ChildKind.SERVICE, 0),)))
        service = await dev.assigned()
        await service.start()
        await dev.say(ChildAddress(service.attempt, "10.0.0.7", True))
        told = await parent.directive()
        while not (isinstance(told, ChildChanged) and told.ready):
            told = await parent.directive()
        assert (told.address, told.state) == ("10.0.0.7", ExecutionState.RUNNING)
        await parent.write(StepFinished(AT, ONE, StepStatus.PASSED))
        await parent.write(ChildrenDropped(AT, ONE, (0,), "their step is over", expected=True))
        stop = await service.directive()
        assert stop == Stop(ExecutionState.CANCELED, "their step is over")
        await service.finish(ExecutionState.PASSED)
        (row,) = await children(w, parent)
        assert row.state is ExecutionState.CANCELED


async def test_while_a_parent_waits_the_freed_slot_serves_its_workers_before_new_runs_of_its_workflow() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=1)
        parent = await parent_of(w, dev, plan("suite", PARALLEL))
        later = await w.start(plan("suite"))
        await parent.write(StepStarted(AT, ONE), workers(2))
        for _ in range(2):
            worker = await dev.assigned()
            assert worker.attempt.execution != (await w.only(later)).id
            await worker.run()
        await parent.write(StepFinished(AT, ONE, StepStatus.PASSED))
        await w.settle()
        assert (await w.only(later)).state is ExecutionState.QUEUED
        await parent.finish()
        await (await dev.assigned()).run()
        assert (await w.run(later)).verdict is Verdict.PASSED


async def test_synchronised_workers_all_get_to_their_start_with_one_slot() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=1)
        parent = await parent_of(w, dev, plan("suite", PARALLEL))
        await parent.write(StepStarted(AT, ONE), workers(3))
        paused = []
        for _ in range(3):
            worker = await dev.assigned()
            await worker.start()
            await worker.write(StepPaused(AT, ONE))
            paused.append(worker)
        await parent.write(ChildrenResumed(AT, ONE, (0, 1, 2)))
        for worker in paused:
            assert await worker.directive() == Resume()
            await worker.write(StepResumed(AT, ONE))
            await worker.finish()
        assert all(row.state is ExecutionState.PASSED for row in await children(w, parent))


async def test_repeating_a_wish_makes_no_second_child() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=9)
        parent = await parent_of(w, dev, plan("suite", PARALLEL))
        await parent.write(workers(2))
        await parent.write(workers(2))
        assert len(await children(w, parent)) == 2


async def test_children_that_end_with_their_parent() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=2)
        parent = await parent_of(w, dev, plan("suite", PARALLEL))
        await parent.write(workers(3))
        running = await dev.assigned()
        await running.start()
        await parent.finish(ExecutionState.FAILED)
        states = [row.state for row in await children(w, parent)]
        assert states.count(ExecutionState.STOPPING) == 1
        assert set(states) <= {ExecutionState.STOPPING, ExecutionState.CANCELED}
        assert isinstance(await running.directive(), Stop)


async def test_an_unknown_step_gives_a_child_that_ended_at_once_in_words() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        parent = await parent_of(w, dev, plan("suite", SHELL))
        await parent.write(workers(1))
        (row,) = await children(w, parent)
        assert row.state is ExecutionState.ABORTED
        assert row.reason == "step 1 has no worker 0"
        told = await parent.directive()
        assert isinstance(told, ChildChanged)
        assert told.reason == row.reason


async def test_the_files_that_a_worker_offers_come_with_its_end() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        parent = await parent_of(w, dev, plan("suite", PARALLEL))
        await parent.write(workers(1))
        worker = await dev.assigned()
        await worker.start()
        await worker.write(TransferStored(AT, ONE, "sha256:" + "0" * 64, "/data/reports"))
        await worker.finish()
        told = await parent.directive()
        while not (isinstance(told, ChildChanged) and told.state.final):
            told = await parent.directive()
        assert told.fetched == (("sha256:" + "0" * 64, "/data/reports"),)


async def test_a_new_stream_is_told_the_whole_state_again() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=9)
        parent = await parent_of(w, dev, plan("suite", PARALLEL))
        await parent.write(workers(2))
        await w.house.supervision.pause((await w.row(parent.attempt.execution)).run)
        again = Conduct(dev, parent.bundle)
        told = [await again.directive() for _ in range(3)]
        assert told[0] == Pause()
        assert {t.index for t in told[1:] if isinstance(t, ChildChanged)} == {0, 1}


async def test_a_step_that_wants_too_many_is_stopped_in_words() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        parent = await parent_of(w, dev, plan("suite", PARALLEL))
        await parent.write(workers(2, start=9_999))
        assert len(await children(w, parent)) == 1
        assert await parent.directive() == Stop(ExecutionState.ABORTED, "step 1 wants more than 10000 children")


async def test_what_a_worker_alone_knows_stands_in_its_plan() -> None:
    worker = plan("suite", Step(ONE, Run(Container(image="node:{{ matrix.node }}"), "echo {{ execution.name }}")))
    async with world().running() as w:
        dev = await w.agent("dev")
        parent = await parent_of(w, dev, plan("suite", Step(ONE, Parallel(worker, Spread()))))
        variables: dict[str, Json] = {"index": 0, "matrix": {"node": "22"}}
        await parent.write(ChildrenWanted(AT, ONE, (ChildSpec(ChildKind.WORKER, 0, variables=variables),)))
        bundle = (await dev.assigned()).bundle
        assert b"node:22" in bundle.plan
        assert b"echo suite-1" in bundle.plan
        assert bundle.variables["matrix"] == {"node": "22"}


async def test_a_worker_whose_plan_no_message_holds_ends_at_once_in_words() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        parent = await parent_of(w, dev, plan("suite", PARALLEL))
        variables: dict[str, Json] = {"matrix": {"data": "x" * 1_100_000}}
        large = ChildSpec(ChildKind.WORKER, 0, variables=variables)
        await parent.write(ChildrenWanted(AT, ONE, (large, ChildSpec(ChildKind.WORKER, 1))))
        first, second = await children(w, parent)
        assert first.state is ExecutionState.ABORTED
        assert "an agent takes at most" in first.reason
        assert second.state is ExecutionState.ASSIGNED
