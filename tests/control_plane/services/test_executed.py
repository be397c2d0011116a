"""Executed workflows: conducted by the control plane, by name, by labels, replicated, canceled."""

from __future__ import annotations

from tests.control_plane.services.world import ME, plan, world
from workflow.identifiers import StepRef
from workflow.journal import (
    Stop,
)
from workflow.labels import Target
from workflow.plan.nodes import (
    Execute,
    ExecuteItem,
    Step,
)
from workflow.states import ExecutionState, Verdict
from workflow.views import NewRun

ONE = StepRef("1")
LINT = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: NAME, labels: {kind: check}}
spec:
  config: {where: {type: string, default: here}}
  steps: [{shell: "echo {{ config.where }}"}]
"""
EVERYWHERE = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: everywhere}
spec:
  steps:
    - execute:
        workflows:
          - {name: lint, target: {name: dev}}
          - {name: lint, target: {match: {environment: staging}}, config: {where: there}}
"""


async def test_a_workflow_that_only_executes_others_is_conducted_here() -> None:
    async with world().running() as w:
        await w.house.catalog.apply(LINT.replace("NAME", "lint"), "lint.yaml")
        dev = await w.agent("dev", limit=1, environment="dev")
        staging = await w.agent("staging", limit=1, environment="staging")
        run = await w.house.submission.submit(NewRun(document=EVERYWHERE), ME)
        for agent in (dev, staging):
            await (await agent.assigned()).run()
        assert (await w.ended(run)).verdict is Verdict.PASSED
        root, *rest = await w.of(run)
        assert root.agent is None
        assert [(row.name, row.agent, row.state) for row in rest] == [
            ("lint-1", "dev", ExecutionState.PASSED),
            ("lint-2", "staging", ExecutionState.PASSED),
        ]
        assert root.state is ExecutionState.PASSED
        kinds = [entry.kind for entry in await w.entries(root.id)]
        assert kinds == ["attempt_started", "step_started", "children_wanted", "step_finished", "attempt_finished"]


async def test_a_failed_child_fails_the_workflow_that_executes_it() -> None:
    async with world().running() as w:
        await w.house.catalog.apply(LINT.replace("NAME", "lint"), "lint.yaml")
        dev = await w.agent("dev", environment="staging")
        run = await w.house.submission.submit(NewRun(document=EVERYWHERE), ME)
        await (await dev.assigned()).run()
        await (await dev.assigned()).run(ExecutionState.FAILED)
        await w.ended(run)
        assert (await w.of(run))[0].state is ExecutionState.FAILED


async def test_an_unknown_workflow_is_a_child_that_ended_at_once_in_words() -> None:
    async with world().running() as w:
        await w.house.catalog.apply(LINT.replace("NAME", "limt"), "lint.yaml")
        run = await w.house.submission.submit(NewRun(document=EVERYWHERE), ME)
        await w.ended(run)
        root, *rest = await w.of(run)
        assert [row.state for row in rest] == [ExecutionState.ABORTED] * 2
        assert rest[0].reason == "there is no workflow 'lint': did you mean 'limt'?"
        assert root.state is ExecutionState.FAILED


async def test_an_orchestration_survives_a_restart() -> None:
    first = world()
    async with first.running() as w:
        await w.house.catalog.apply(LINT.replace("NAME", "lint"), "lint.yaml")
        dev = await w.agent("dev", environment="staging")
        run = await w.house.submission.submit(NewRun(document=EVERYWHERE), ME)
        await (await dev.assigned()).run()
        other = await dev.assigned()
        await other.start()
        await w.settle()
    async with first.restarted().running() as w:
        dev.world = w
        await dev.connect(other.attempt)
        other.journal = None
        await other.finish()
        await w.ended(run)
        await w.settle()
        root, *_ = await w.of(run)
        assert root.state is ExecutionState.PASSED
        kinds = [entry.kind for entry in await w.entries(root.id)]
        assert kinds == ["attempt_started", "step_started", "children_wanted", "step_finished", "attempt_finished"]
        assert await w.journals.last(root.current) == len(kinds)


async def test_a_selector_executes_every_workflow_with_its_labels() -> None:
    items = (ExecuteItem(None, selector={"kind": "check"}),)
    async with world().running() as w:
        for name in ("lint", "unit"):
            await w.house.catalog.apply(LINT.replace("NAME", name), f"{name}.yaml")
        dev = await w.agent("dev")
        run = await w.start(plan("all-checks", Step(ONE, Execute(items))))
        done = [await dev.assigned() for _ in range(2)]
        for conduct in done:
            await conduct.run()
        assert (await w.ended(run)).verdict is Verdict.PASSED
        rows = await w.of(run)
        assert {row.workflow for row in rows if row.agent == "dev"} == {"lint", "unit"}


async def test_replicate_on_an_executed_workflow_gives_one_copy_an_environment() -> None:
    items = (ExecuteItem("lint", target=Target(replicate=("environment",))),)
    async with world().running() as w:
        await w.house.catalog.apply(LINT.replace("NAME", "lint"), "lint.yaml")
        agents = [await w.agent(name, environment=name) for name in ("dev", "staging", "prod")]
        run = await w.start(plan("everywhere", Step(ONE, Execute(items))))
        for agent in agents:
            await (await agent.assigned()).run()
        assert (await w.ended(run)).verdict is Verdict.PASSED


async def test_canceling_reaches_every_generation() -> None:
    async with world().running() as w:
        await w.house.catalog.apply(LINT.replace("NAME", "lint"), "lint.yaml")
        dev = await w.agent("dev", environment="staging", limit=1)
        run = await w.house.submission.submit(NewRun(document=EVERYWHERE), ME)
        child = await dev.assigned()
        await child.start()
        await w.house.supervision.cancel(run, "ada")
        assert await child.directive() == Stop(ExecutionState.CANCELED, "canceled by ada")
        await child.finish(ExecutionState.CANCELED)
        assert (await w.ended(run)).verdict is Verdict.CANCELED
        assert {row.state for row in await w.of(run)} == {ExecutionState.CANCELED}


async def test_workflows_that_execute_themselves_end_in_words() -> None:
    async with world().running() as w:
        again = "steps: [{execute: {workflows: [{name: loop}]}}]"
        await w.house.catalog.apply(
            "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata: {name: loop}\nspec: {"
            + again
            + "}\n",
            "l",
        )
        run = await w.house.submission.submit(NewRun(workflow="loop"), ME)
        await w.ended(run)
        rows = await w.of(run)
        assert len(rows) == 18
        assert "16 deep" in rows[-1].reason
        assert rows[0].state is ExecutionState.FAILED
