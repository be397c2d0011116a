"""What people see of rows and journals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.ports.journals import Position
from control_plane.ports.records import AgentState, DocumentKind, DocumentRow, Host
from control_plane.ports.store import Unit
from tests.control_plane.world import T0, World
from workflow.identifiers import AgentName, StepRef
from workflow.journal import StepOutput, StepPaused, StepResumed, StepStarted
from workflow.states import ExecutionState, StepStatus, Verdict

S, E = StepStatus, ExecutionState


@pytest.fixture
async def world() -> World:
    return await World().populate()


async def test_a_run_with_its_executions_and_steps(world: World) -> None:
    run = await world.run()
    root = await world.execution(run, host=Host.CONTROL_PLANE)
    dev = await world.execution(run, "dev", parent=(root, "1", 0))
    await world.steps(dev, {"1": 0, "2.1": 3})
    await world.ends(dev, E.FAILED, "step failed")
    await world.run_ends(run, Verdict.FAILED)
    view = await world.queries.run("every-1")
    assert view is not None
    assert (view.id, view.verdict, view.exit_code, view.environments) == (run, Verdict.FAILED, 1, ("dev",))
    assert view.states == {E.QUEUED: 1, E.FAILED: 1}
    one, two = view.executions
    assert (one.orchestrated, one.where, one.place) == (True, "control plane", None)
    assert two.place is not None
    assert (two.place.parent, two.environment, two.agent, two.reason) == (root, "dev", "dev-runner", "step failed")
    assert two.labels == {"environment": "dev", "zone": "1"}
    assert [(s.ref, s.name, s.kind, s.status, s.exit_code) for s in two.steps] == [
        ("1", "build", "run", S.PASSED, 0),
        ("2", "checks", "group", S.SKIPPED, None),
        ("2.1", "unit", "run", S.FAILED, 3),
        ("2.2", "load test", "run", S.SKIPPED, None),
    ]
    assert two.steps[0].duration_ms == 2.0
    assert two.steps[3].depth == 1


async def test_json_is_camel_case_with_times_in_utc(world: World) -> None:
    run = await world.run()
    await world.execution(run, "dev")
    view = await world.queries.run(run)
    assert view is not None
    text = view.model_dump_json()
    assert '"createdAt":"2023-11-14T22:13:20.001000Z"' in text
    assert '"durationMs":null' in text


async def test_steps_while_they_run_pause_and_repeat(world: World) -> None:
    execution = await world.execution(await world.run(), "dev")
    await world.steps(execution, {"1": 1})
    await world.says(execution, StepStarted(world.tick(), StepRef("1"), 1), StepPaused(world.tick(), StepRef("1")))
    view = await world.queries.execution(execution)
    assert view is not None
    assert (view.steps[0].status, view.steps[0].iteration, view.steps[0].exit_code) == (S.PAUSED, 1, None)
    await world.says(
        execution, StepResumed(world.tick(), StepRef("1")), StepOutput(world.tick(), StepRef("1"), "url", "http://x")
    )
    view = await world.queries.execution(execution)
    assert view is not None
    assert (view.steps[0].status, view.steps[0].outputs) == (S.RUNNING, {"url": "http://x"})


async def test_what_was_running_when_the_execution_was_lost_is_closed(world: World) -> None:
    execution = await world.execution(await world.run(), "dev")
    await world.says(execution, StepStarted(world.tick(), StepRef("1")))
    await world.ends(execution, E.ABORTED, "its agent was lost")
    view = await world.queries.execution(execution)
    assert view is not None
    assert [step.status for step in view.steps] == [S.ABORTED, S.SKIPPED, S.SKIPPED, S.SKIPPED]


async def test_the_present_attempt_counts(world: World) -> None:
    execution = await world.execution(await world.run(), "dev")
    await world.steps(execution, {"1": 1})
    await world.change(execution, attempt=2)
    view = await world.queries.execution(execution)
    assert view is not None
    assert {step.status for step in view.steps} == {S.QUEUED}


async def test_steps_as_of_a_place(world: World) -> None:
    execution = await world.execution(await world.run(), "dev")
    await world.steps(execution, {"1": 0})
    row = await world.store.read(lambda unit: unit.executions.get(execution))
    assert row is not None
    states = [(await world.queries.as_of(row, Position(1, seq))).steps[0].status for seq in range(3)]
    assert states == [S.QUEUED, S.RUNNING, S.PASSED]


async def test_runs_come_newest_first_without_executions(world: World) -> None:
    for name in ("every-1", "other-1", "every-2"):
        await world.execution(await world.run(name), "prod")
    assert [run.name for run in await world.queries.runs(2)] == ["every-2", "other-1"]
    (first, _) = await world.queries.runs(workflow="every")
    assert (first.name, first.environments, first.executions) == ("every-2", ("prod",), ())


async def test_an_execution_by_its_name_as_it_is_printed(world: World) -> None:
    await world.execution(await world.run("every-1"), "dev")
    newer = await world.execution(await world.run("every-2"), "prod")
    found = await world.queries.execution("suite-0")
    assert found is not None
    assert (found.id, found.name, found.where) == (newer, "suite-0", "prod")
    assert (await world.queries.execution(newer)) == found
    assert await world.queries.execution("suite") is None


async def test_executions_by_run_and_state(world: World) -> None:
    run = await world.run()
    waiting, running, done = [await world.execution(run, where) for where in (None, "dev", "prod")]
    await world.ends(done, E.PASSED)
    queries = world.queries
    assert {one.id for one in await queries.executions()} == {waiting, running}
    assert [one.id for one in await queries.executions(run="every-1")] == [waiting, running, done]
    assert [one.id for one in await queries.executions(state=E.PASSED)] == [done]
    assert [one.id for one in await queries.executions(run=run, state=E.RUNNING)] == [running]
    assert await queries.executions(run="nobody") == ()


async def test_agents_with_their_load(world: World) -> None:
    await world.execution(await world.run(), "dev")

    def seen(unit: Unit) -> None:
        row = unit.fleet.get(AgentName("prod-runner"))
        assert row is not None
        unit.fleet.put(replace(row, state=AgentState.REVOKED, skew=-1500, last_seen=T0, max_concurrent=3))

    await world.store.write(seen)
    dev, prod, staging = await world.queries.agents()
    assert (dev.name, dev.load, dev.connected, dev.state) == ("dev-runner", 1, True, "active")
    assert (prod.connected, prod.state, prod.skew_ms, prod.max_concurrent) == (False, "revoked", -1.5, 3)
    assert not staging.connected


async def test_artifacts_of_a_run(world: World) -> None:
    run = await world.run()
    for where in ("dev", "prod"):
        await world.artifact(await world.execution(run, where), "report.xml", where.encode())
    found = await world.queries.artifacts("every-1")
    assert found is not None
    assert [(one.where, one.name, one.size) for one in found] == [("dev", "report.xml", 3), ("prod", "report.xml", 4)]
    assert await world.queries.artifacts("nobody") is None


async def test_documents(world: World) -> None:
    row = DocumentRow(DocumentKind.TEMPLATE, "a--b", "kind: x", "f.yaml", {"l": "v"}, "d", T0)
    await world.store.write(lambda unit: unit.catalog.put(row))
    (listed,) = await world.queries.documents(DocumentKind.TEMPLATE)
    assert (listed.name, listed.text) == ("a--b", "")
    found = await world.queries.document(DocumentKind.TEMPLATE, "a/b")
    assert found is not None
    assert found.text == "kind: x"
    assert await world.queries.document(DocumentKind.WORKFLOW, "a--b") is None
