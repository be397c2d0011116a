"""``muster why``: the first thing that went wrong, in a few sentences a person can act on."""

from __future__ import annotations

import pytest

from control_plane.ports.records import Host
from tests.control_plane.services.test_comparison import everywhere, report
from tests.control_plane.world import World, step
from workflow.identifiers import StepRef
from workflow.journal import StepFinished, StepStarted
from workflow.plan.nodes import Plan
from workflow.states import ExecutionState, StepStatus, Verdict
from workflow.views import Explanation


@pytest.fixture
async def world() -> World:
    return await World().populate()


async def why(world: World, subject: str = "every-1") -> Explanation:
    run = await world.queries.run(subject)
    if run is not None:
        return await world.explanations.of_run(run)
    execution = await world.queries.execution(subject)
    assert execution is not None
    return await world.explanations.of_execution(execution)


async def test_what_waits_says_what_for(world: World) -> None:
    run, root, children = await everywhere(world)
    await world.change(root, state=ExecutionState.RUNNING)
    waiting = await world.execution(run, parent=(root, "1", 9))
    await world.change(waiting, reason="waits for environment=qa: 0 of 3 agents match")
    await world.says(children["dev"], StepStarted(world.tick(), StepRef("2.1")))
    assert (await why(world)).sentences == (
        "suite-4 waits for environment=qa: 0 of 3 agents match.",
        "suite-1 in dev (dev-runner) is running on dev-runner, at step 'unit'.",
        "suite-2 in staging (staging-runner) is running on staging-runner.",
        "suite-3 in prod (prod-runner) is running on prod-runner.",
    )
    assert (await why(world, waiting)).sentences == ("suite-4 waits for environment=qa: 0 of 3 agents match.",)


async def test_a_difference_between_environments_is_told(world: World) -> None:
    run, root, children = await everywhere(world)
    for where, execution in children.items():
        bad = where == "prod"
        await world.steps(execution, {"1": 0})
        await world.says(execution, StepStarted(world.tick(), StepRef("2.1")))
        await world.prints(execution, "2.1", "".join(f"line {n}\n" for n in range(40)) + "\x1b[31mE 19 != 7\x1b[0m\n")
        status = StepStatus.FAILED if bad else StepStatus.PASSED
        await world.artifact(execution, "junit.xml", report(cart=True, tax=not bad))
        await world.says(execution, StepFinished(world.tick(), StepRef("2.1"), status, int(bad)))
        await world.ends(execution, ExecutionState.FAILED if bad else ExecutionState.PASSED)
    await world.ends(root, ExecutionState.FAILED)
    await world.run_ends(run, Verdict.FAILED)
    told = await why(world)
    assert told.sentences == (
        "every-1 failed.",
        "suite-3 in prod (prod-runner) failed: step 'checks / unit' failed (exit code 1).",
        "The same step passed in dev and staging.",
        "Test shop :: tax failed in prod: 19 != 7; it passed in dev and staging.",
    )
    assert len(told.tail) == 15
    assert told.tail[-2:] == ("line 39", "E 19 != 7")
    of_root = await why(world, root)
    assert of_root.sentences[:2] == ("suite-0 in control plane failed.", told.sentences[1])


async def test_of_a_long_message_the_first_line_is_told(world: World) -> None:
    run, root, children = await everywhere(world)
    long = f"\n  AssertionError: {'x' * 300}\n  +  where this = f()\n" + "E  more\n" * 50
    bad = f'<failure message="{long}"/>'.replace("\n", "&#10;")
    xml = f"<testsuite name='s'><testcase classname='shop' name='tax'>{bad}</testcase></testsuite>".encode()
    await world.artifact(children["dev"], "junit.xml", xml)
    for execution in (*children.values(), root):
        await world.ends(execution, ExecutionState.FAILED if execution == children["dev"] else ExecutionState.PASSED)
    await world.run_ends(run, Verdict.FAILED)
    (told,) = [one for one in (await why(world)).sentences if one.startswith("Test ")]
    assert told.startswith("Test shop :: tax failed in dev: AssertionError: xxx")
    assert told.endswith("x….")
    assert len(told) < 220
    assert "where" not in told


async def test_what_the_planner_made_is_called_by_its_step(world: World) -> None:
    plan = Plan("suite", (step("1", "unit", step("1.1", "Run shell command", hidden=True)),))
    run = await world.run()
    execution = await world.execution(run, "dev", plan=plan)
    await world.says(execution, StepStarted(world.tick(), StepRef("1")))
    await world.steps(execution, {"1.1": 3})
    await world.says(execution, StepFinished(world.tick(), StepRef("1"), StepStatus.FAILED))
    await world.ends(execution, ExecutionState.FAILED)
    await world.run_ends(run, Verdict.FAILED)
    assert (await why(world)).sentences[1] == "suite-0 in dev (dev-runner) failed: step 'unit' failed (exit code 3)."


async def test_an_optional_step_is_not_blamed(world: World) -> None:
    plan = Plan("suite", (step("1", "lint", optional=True), step("2", "unit")))
    run = await world.run()
    execution = await world.execution(run, "dev", plan=plan)
    await world.steps(execution, {"1": 1, "2": StepStatus.TIMEOUT})
    await world.ends(execution, ExecutionState.FAILED)
    await world.run_ends(run, Verdict.FAILED)
    assert (await why(world)).sentences[1] == "suite-0 in dev (dev-runner) failed: step 'unit' timed out."


async def test_what_was_lost_gives_its_reason(world: World) -> None:
    run = await world.run()
    execution = await world.execution(run, "dev")
    await world.says(execution, StepStarted(world.tick(), StepRef("1")))
    await world.ends(execution, ExecutionState.ABORTED, "dev-runner did not come back within 600 s")
    await world.run_ends(run, Verdict.ABORTED)
    assert (await why(world)).sentences == (
        "every-1 was aborted.",
        "suite-0 in dev (dev-runner) was aborted: step 'build' aborted; dev-runner did not come back within 600 s.",
    )


async def test_a_sibling_that_was_canceled_because_of_another_is_not_blamed(world: World) -> None:
    run = await world.run()
    canceled, failed = await world.execution(run, "dev"), await world.execution(run, "prod")
    await world.ends(canceled, ExecutionState.CANCELED, "fail fast")
    await world.ends(failed, ExecutionState.FAILED, "no such command")
    await world.run_ends(run, Verdict.FAILED)
    assert (await why(world)).sentences[1] == "suite-1 in prod (prod-runner) failed: no such command."


async def test_a_child_that_was_canceled_because_of_its_parent_is_not_blamed(world: World) -> None:
    run = await world.run()
    root = await world.execution(run, "dev")
    service = await world.execution(run, "dev", parent=(root, "1", 0))
    await world.ends(service, ExecutionState.CANCELED, "their step is over")
    await world.steps(root, {"1": 1})
    await world.ends(root, ExecutionState.FAILED)
    await world.run_ends(run, Verdict.FAILED)
    assert "step" in (await why(world)).sentences[1] and "canceled" not in " ".join((await why(world)).sentences)


async def test_a_success_is_no_riddle(world: World) -> None:
    run = await world.run()
    for where in ("dev", "prod"):
        await world.ends(await world.execution(run, where), ExecutionState.PASSED)
    await world.run_ends(run, Verdict.PASSED)
    assert (await why(world)).sentences == ("every-1 passed in dev and prod.",)


async def test_a_hostile_reason_stays_on_its_line(world: World) -> None:
    execution = await world.execution(await world.run(), host=Host.AGENT)
    await world.change(execution, reason="waits\nFAKE: passed\x1b[2J")
    assert (await why(world)).sentences == ("suite-0 waits FAKE: passed.",)


async def test_what_a_cluster_says_of_a_pod_stands_beside_the_reason(world: World) -> None:
    run, root, children = await everywhere(world)
    await world.change(root, state=ExecutionState.RUNNING)
    late = (
        "Warning FailedScheduling (3 times): 0/1 nodes are available",
        "Pulling: \x1b]0;title\x07image \x1b[31mx\n:1",
    )
    await world.change(children["prod"], notes=late)
    assert (await why(world)).notes == (late[0], "Pulling: image x :1")
    await world.change(children["dev"], notes=late[:1])
    assert (await why(world)).notes == (
        f"suite-1 in dev (dev-runner): {late[0]}",
        f"suite-3 in prod (prod-runner): {late[0]}",
        "suite-3 in prod (prod-runner): Pulling: image x :1",
    )
    assert (await why(world, children["dev"])).notes == late[:1]
    await world.change(children["prod"], state=ExecutionState.ABORTED, reason="it did not start within 600 s")
    await world.run_ends(run, Verdict.ABORTED)
    assert (await why(world)).notes == (late[0], "Pulling: image x :1")
