"""Which executions stand side by side, and where their test cases come from."""

from __future__ import annotations

import pytest

from control_plane.ports.records import Host
from control_plane.services import comparison as service
from tests.control_plane.world import World
from workflow.comparison import Comparison
from workflow.identifiers import ExecutionId, RunId
from workflow.journal import ChildKind
from workflow.states import ExecutionState, Verdict

BAD = '<failure message="19 != 7"/>'


def report(**outcomes: bool) -> bytes:
    """JUnit XML with these test cases; True passed."""
    cases = [
        f"<testcase classname='shop' name='{name}'>{'' if good else BAD}</testcase>" for name, good in outcomes.items()
    ]
    return f"<testsuite name='s'>{''.join(cases)}</testsuite>".encode()


@pytest.fixture
async def world() -> World:
    return await World().populate()


async def compared(world: World) -> Comparison:
    run = await world.queries.run("every-1")
    assert run is not None
    return await world.comparisons.of_run(run)


async def everywhere(world: World) -> tuple[RunId, ExecutionId, dict[str, ExecutionId]]:
    """A run of an orchestrating root with a child in each environment."""
    run = await world.run()
    root = await world.execution(run, host=Host.CONTROL_PLANE)
    children = {
        where: await world.execution(run, where, parent=(root, "1", number))
        for number, where in enumerate(("dev", "staging", "prod"))
    }
    return run, root, children


async def test_children_stand_side_by_side_without_their_orchestrator(world: World) -> None:
    run, _, children = await everywhere(world)
    for where, execution in children.items():
        await world.steps(execution, {"1": 0, "2.1": 1 if where == "prod" else 0})
        await world.artifact(execution, "out/junit.xml", report(cart=True, tax=where != "prod"))
        await world.ends(execution, ExecutionState.FAILED if where == "prod" else ExecutionState.PASSED)
    await world.run_ends(run, Verdict.FAILED)
    comparison = await compared(world)
    (table,) = comparison.tables
    assert (comparison.run, comparison.verdict, table.workflow) == ("every-1", Verdict.FAILED, "suite")
    assert [column.title for column in table.columns] == ["dev", "staging", "prod"]
    assert [(row.kind, row.name) for row in table.rows] == [
        ("step", "build"),
        ("step", "checks"),
        ("step", "unit"),
        ("step", "load test"),
        ("test", "cart"),
        ("test", "tax"),
    ]
    assert [row.name for row in table.differences] == ["unit", "tax"]


async def test_test_cases_of_workers_belong_to_their_parent(world: World) -> None:
    _, _, children = await everywhere(world)
    run = RunId("run-every-1")
    for shard in ("cart", "tax"):
        worker = await world.execution(run, "dev", parent=(children["dev"], "1", len(shard)), kind=ChildKind.WORKER)
        await world.artifact(worker, "junit.xml", report(**{shard: True}))
    (table,) = (await compared(world)).tables
    tests = [row for row in table.rows if row.kind == "test"]
    assert [(row.name, [cell and cell.status for cell in row.cells]) for row in tests] == [
        ("cart", ["passed", "pending", "pending"]),
        ("tax", ["passed", "pending", "pending"]),
    ]


async def test_a_root_that_never_had_children_is_shown(world: World) -> None:
    await world.execution(await world.run(), host=Host.CONTROL_PLANE)
    (table,) = (await compared(world)).tables
    assert [column.title for column in table.columns] == ["control plane"]


async def test_what_is_no_report_or_is_gone_is_passed_over(world: World) -> None:
    execution = await world.execution(await world.run(), "dev")
    await world.artifact(execution, "coverage.xml", b"<coverage/>")
    await world.artifact(execution, "notes.txt", report(hidden=True))
    gone = await world.artifact(execution, "gone.xml", report(gone=True))
    await world.blobs.delete(gone)
    await world.artifact(execution, "junit.XML", report(seen=True))
    (table,) = (await compared(world)).tables
    assert [row.name for row in table.rows if row.kind == "test"] == ["seen"]


async def test_reports_that_are_kept_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.comparisons._room = 10
    execution = await world.execution(await world.run(), "dev")
    for number in range(6):
        await world.artifact(execution, f"{number}.xml", report(**{f"a{number}": True, f"b{number}": True}))
    for _ in range(2):
        (table,) = (await compared(world)).tables
        assert len([row for row in table.rows if row.kind == "test"]) == 12
    assert sum(len(cases) + 1 for cases in world.comparisons._kept.values()) <= 10
    assert service.MAX_KEPT > 10
