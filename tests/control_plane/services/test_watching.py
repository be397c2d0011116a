"""A run as it happens: in order within an execution, to the end, and again from any event that was heard."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from control_plane.ports.records import EntryRow, Host
from control_plane.services.decoding import BadPlace
from control_plane.services.watching import Heard, places_of
from tests.control_plane.world import T0, World
from workflow.identifiers import Attempt, ExecutionId, RunId, StepRef
from workflow.journal import StepFinished, StepStarted
from workflow.states import ExecutionState, StepStatus, Verdict
from workflow.views import ExecutionChanged, LogPrinted, RunChanged, RunEnded, StepChanged, WatchEvent


@pytest.fixture
async def world() -> World:
    return await World().populate()


async def watched(world: World, token: str = "", *, logs: bool = True) -> list[Heard]:
    run = await world.queries.run("every-1")
    assert run is not None
    async with asyncio.timeout(5), aclosing(world.watching.watch(run, places_of(token), logs=logs)) as events:
        return [heard async for heard in events]


def flat(heard: list[Heard]) -> list[WatchEvent]:
    return [event for one in heard for event in one.events]


def text(events: list[WatchEvent], execution: str) -> str:
    logs = [event.log for event in events if isinstance(event, LogPrinted)]
    return "".join(log.text for log in logs if log.execution == execution)


async def worked(world: World) -> tuple[RunId, list[ExecutionId]]:
    """A run whose two executions printed and ended."""
    run = await world.run()
    executions = [await world.execution(run, where) for where in ("dev", "prod")]
    for execution in executions:
        for ref in ("1", "2.1"):
            await world.says(execution, StepStarted(world.tick(), StepRef(ref)))
            for number in range(5):
                await world.prints(execution, ref, f"{ref}:{number} ä\n".encode()[: 7 if number % 2 else None])
            await world.says(execution, StepFinished(world.tick(), StepRef(ref), StepStatus.PASSED, 0))
        await world.ends(execution, ExecutionState.PASSED)
    await world.run_ends(run, Verdict.PASSED)
    return run, executions


async def test_it_ends_with_the_verdict_after_every_line(world: World) -> None:
    _, executions = await worked(world)
    events = flat(await watched(world))
    end = events[-1]
    assert isinstance(end, RunEnded)
    assert end.run.verdict is Verdict.PASSED
    for execution in executions:
        assert text(events, execution).count(":") == 10
        last = [event for event in events if isinstance(event, ExecutionChanged) and event.execution.id == execution][
            -1
        ]
        assert last.execution.state is ExecutionState.PASSED
        assert events.index(last) > max(
            n for n, event in enumerate(events) if isinstance(event, LogPrinted) and event.log.execution == execution
        )


async def test_it_begins_with_the_execution_before_its_lines(world: World) -> None:
    _, (one, _) = await worked(world)
    events = flat(await watched(world))
    mine = [
        event
        for event in events
        if (isinstance(event, ExecutionChanged) and event.execution.id == one)
        or (isinstance(event, LogPrinted) and event.log.execution == one)
    ]
    first = mine[0]
    assert isinstance(first, ExecutionChanged)
    assert first.execution.state is ExecutionState.RUNNING
    assert [step.name for step in first.execution.steps] == ["build", "checks", "unit", "load test"]


async def test_resumed_behind_any_event_nothing_is_missing_and_nothing_doubled(world: World) -> None:
    _, executions = await worked(world)
    heard = await watched(world)
    whole = flat(heard)
    for cut in range(len(heard)):
        before = flat(heard[: cut + 1])
        after = flat(await watched(world, heard[cut].token))
        assert isinstance(after[-1], RunEnded)
        for execution in executions:
            assert text(before, execution) + text(after, execution) == text(whole, execution)


async def test_states_are_told_as_they_come(world: World) -> None:
    run = await world.run()
    execution = await world.execution(run)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watched(world))
        for fields in ({"reason": "waits for an agent"}, {"state": ExecutionState.RUNNING, "attempt": 1, "reason": ""}):
            await settle()
            await world.change(execution, **fields)
        await settle()
        await world.says(execution, StepStarted(world.tick(), StepRef("1")))
        await settle()
        await world.prints(execution, "1", "hello\n")
        await settle()
        await world.ends(execution, ExecutionState.FAILED, "no")
        await world.run_ends(run, Verdict.FAILED)
    told: list[str] = []
    for event in flat(watching.result()):
        match event:
            case ExecutionChanged():
                told.append(f"{event.execution.state.value} {event.execution.reason}".strip())
            case StepChanged():
                told.append(f"{event.step.ref} {event.step.status.value}")
            case LogPrinted():
                told.append(event.log.text)
            case RunChanged() | RunEnded():
                pass
    assert told == ["queued", "queued waits for an agent", "running", "1 running", "hello\n", "failed no"]


def order(events: list[WatchEvent]) -> list[str]:
    """What a person would see, in a word each."""
    told: list[str] = []
    for event in events:
        match event:
            case ExecutionChanged():
                told.append(event.execution.state.value)
            case StepChanged():
                told.append(f"{event.step.ref} {event.step.status.value}")
            case LogPrinted():
                told.append(event.log.text.strip())
            case RunChanged() | RunEnded():
                pass
    return told


IN_ORDER = ["1 running", "one", "1 passed", "2.1 running", "two", "2.1 failed", "2.2 running", "three", "2.2 passed"]


async def test_a_steps_end_comes_before_the_next_ones_first_line(world: World) -> None:
    """Though all of it was written before anybody looked."""
    run = await world.run()
    execution = await world.execution(run, "dev")
    for ref, word, code in (("1", "one", 0), ("2.1", "two", 1), ("2.2", "three", 0)):
        await world.says(execution, StepStarted(world.tick(), StepRef(ref)))
        await world.prints(execution, ref, f"{word}\n")
        status = StepStatus.FAILED if code else StepStatus.PASSED
        await world.says(execution, StepFinished(world.tick(), StepRef(ref), status, code))
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watched(world))
        await settle()
        await world.ends(execution, ExecutionState.FAILED)
        await world.run_ends(run, Verdict.FAILED)
    assert order(flat(watching.result())) == ["running", *IN_ORDER, "failed"]
    assert order(flat(await watched(world))) == ["running", *IN_ORDER, "failed"]


async def test_steps_are_those_of_the_present_attempt_also_when_it_changes_meanwhile(world: World) -> None:
    run = await world.run()
    execution = await world.execution(run, "dev")
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watched(world))
        for attempt in (1, 2):
            await world.change(execution, attempt=attempt, applied_seq=0)
            await settle()
            await world.says(execution, StepStarted(world.tick(), StepRef("1")), attempt=attempt)
            await world.prints(execution, "1", f"attempt {attempt}\n", attempt=attempt)
            await settle()
        await world.says(execution, StepFinished(world.tick(), StepRef("1"), StepStatus.PASSED, 0), attempt=2)
        await settle()
        await world.ends(execution, ExecutionState.PASSED)
        await world.run_ends(run, Verdict.PASSED)
    told = order(flat(watching.result()))
    assert [word for word in told if word.startswith(("attempt", "1 "))] == [
        "1 running",
        "attempt 1",
        "1 running",
        "attempt 2",
        "1 passed",
    ]


async def test_what_the_control_plane_conducts_is_told_though_its_journal_lags(world: World) -> None:
    run = await world.run()
    root = await world.execution(run, host=Host.CONTROL_PLANE)
    await world.change(root, state=ExecutionState.RUNNING, attempt=1)
    entry = EntryRow(Attempt(root, 1), 1, T0, "step_started", {"at": T0, "ref": "1", "iteration": 0})
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watched(world))
        await settle()
        await world.store.write(lambda unit: unit.entries.add([entry]))
        await world.change(root, applied_seq=1)
        await settle()
        await world.ends(root, ExecutionState.PASSED)
        await world.run_ends(run, Verdict.PASSED)
    steps = [event.step for event in flat(watching.result()) if isinstance(event, StepChanged)]
    assert [(step.ref, step.status) for step in steps] == [("1", StepStatus.RUNNING)]


async def test_executions_that_come_later_are_told(world: World) -> None:
    run = await world.run()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watched(world))
        await settle()
        late = await world.execution(run, "dev")
        await world.prints(late, "1", "late")
        await world.ends(late, ExecutionState.PASSED)
        await world.run_ends(run, Verdict.PASSED)
    assert text(flat(watching.result()), late) == "late"


async def test_without_logs(world: World) -> None:
    await worked(world)
    events = flat(await watched(world, logs=False))
    assert not any(isinstance(event, LogPrinted) for event in events)
    assert [event.event for event in events] == ["run", "execution", "execution", "end"]


async def test_a_finished_run_heard_to_the_end_tells_states_only(world: World) -> None:
    await worked(world)
    token = (await watched(world))[-1].token
    assert token == "e,e"
    assert not any(isinstance(event, LogPrinted) for event in flat(await watched(world, token)))


@pytest.mark.parametrize("token", ["x", "1.2,,y", "1.1;2", "e" * 300_000])
def test_other_tokens_are_refused(token: str) -> None:
    with pytest.raises(BadPlace):
        places_of(token)


async def settle() -> None:
    """Let the watcher come to rest."""
    for _ in range(50):
        await asyncio.sleep(0)
