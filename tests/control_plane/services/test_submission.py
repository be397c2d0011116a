"""Submissions: documents, targets, replicas, refusals; and the catalog."""

from __future__ import annotations

import pytest

from control_plane.ports.records import DocumentKind
from control_plane.ports.store import Unavailable
from control_plane.services.blueprint import TooLarge
from control_plane.services.submission import Unrunnable
from control_plane.services.submission.targets import copies, filled, merged
from protos.codec.session import encode_control
from tests.control_plane.services.world import ME, plan, world
from workflow.labels import SchedulerPolicy, Target
from workflow.plan.nodes import Json
from workflow.problems import InvalidDocument
from workflow.session import MAX_MESSAGE
from workflow.states import ExecutionState
from workflow.views import NewRun

HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata: {name: NAME}\n"
HELLO = HEAD.replace("NAME", "hello") + "spec: {steps: [{shell: echo hello}]}\n"
TEMPLATE = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflowTemplate
metadata: {name: greet/loud}
spec:
  config: {word: {type: string}}
  steps: [{shell: "echo {{ config.word }}!"}]
"""
USING = HEAD.replace("NAME", "using") + "spec: {steps: [{template: {name: greet/loud, config: {word: hi}}}]}\n"


async def test_all_problems_of_a_document_are_told_and_nothing_is_stored() -> None:
    bad = HEAD.replace("NAME", "hello") + "spec:\n  stepz: []\n  steps:\n    - shel: echo\n"
    async with world().running() as w:
        with pytest.raises(InvalidDocument) as refused:
            await w.house.submission.submit(NewRun(document=bad, file="bad.yaml"), ME)
        told = [str(problem) for problem in refused.value.problems]
        assert len(told) >= 2
        assert all(problem.startswith("bad.yaml:") for problem in told)
        assert await w.store.read(lambda unit: unit.runs.latest(10)) == []


async def test_a_full_disk_is_told_and_nothing_is_stored() -> None:
    async with world().running() as w:
        w.store.refusal = "the disk is full"
        with pytest.raises(Unavailable, match="the disk is full"):
            await w.house.submission.submit(NewRun(document=HELLO), ME)
        w.store.refusal = None
        assert await w.store.read(lambda unit: unit.runs.latest(10)) == []


async def test_replicate_makes_one_execution_for_each_value_of_the_label() -> None:
    async with world().running() as w:
        agents = [await w.agent(name, environment=name) for name in ("prod", "dev", "staging")]
        new = NewRun(document=HELLO, target={"replicate": ["environment"]})
        run = await w.house.submission.submit(new, ME)
        rows = await w.of(run)
        assert [row.name for row in rows] == ["hello-1-dev", "hello-1-prod", "hello-1-staging"]
        for agent in agents:
            await (await agent.assigned()).run()
        assert {row.agent for row in await w.of(run)} == {"dev", "prod", "staging"}


async def test_replicate_without_an_agent_yet_waits_for_the_first_that_fits() -> None:
    async with world().running() as w:
        run = await w.house.submission.submit(NewRun(document=HELLO, target={"replicate": ["environment"]}), ME)
        await w.agent("plain")
        await w.pass_time(3)
        (row,) = await w.of(run)
        assert row.state is ExecutionState.QUEUED
        assert "a label environment" in row.reason
        dev = await w.agent("dev", environment="dev")
        assert (await dev.assigned()).attempt.execution == row.id


async def test_only_when_matches_is_refused_at_submission() -> None:
    async with world().running() as w:
        await w.enlist("dev", environment="dev")
        target = {"schedulerPolicy": "OnlyWhenMatches", "match": {"environment": ["prod"]}}
        with pytest.raises(Unrunnable, match=r"no agent matches.*nearest: dev has environment=dev"):
            await w.house.submission.submit(NewRun(document=HELLO, target=target), ME)
        assert await w.store.read(lambda unit: unit.runs.latest(10)) == []
        fits = {**target, "match": {"environment": ["dev"]}}
        await w.house.submission.submit(NewRun(document=HELLO, target=fits), ME)


async def test_a_file_with_several_workflows_must_say_which() -> None:
    other = HELLO.replace("hello", "other")
    async with world().running() as w:
        with pytest.raises(InvalidDocument, match="which one is to be run"):
            await w.house.submission.submit(NewRun(document=f"{HELLO}---\n{other}"), ME)
        run = await w.house.submission.submit(NewRun(document=f"{HELLO}---\n{other}", workflow="other"), ME)
        (row,) = await w.of(run)
        assert row.workflow == "other"


async def test_templates_of_the_file_and_of_the_catalog_are_known() -> None:
    async with world().running() as w:
        with pytest.raises(InvalidDocument, match="there is no template 'greet/loud'"):
            await w.house.submission.submit(NewRun(document=USING), ME)
        await w.house.submission.submit(NewRun(document=f"{TEMPLATE}---\n{USING}"), ME)
        await w.house.catalog.apply(TEMPLATE, "t.yaml")
        run = await w.house.submission.submit(NewRun(document=USING), ME)
        (row,) = await w.of(run)
        stored = await w.store.read(lambda unit: unit.executions.plan(row.id))
        assert stored is not None
        assert b"echo hi!" in stored.plan


async def test_a_request_for_an_execution_runs_the_workflow_that_it_names() -> None:
    request = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflowExecution
metadata: {name: nightly}
spec:
  testWorkflow: {name: hello}
  executionRequest: {tags: {why: nightly}, target: {match: {environment: [dev]}}}
"""
    async with world().running() as w:
        await w.house.catalog.apply(HELLO, "hello.yaml")
        run = await w.house.submission.submit(NewRun(document=request), ME)
        stored = await w.store.read(lambda unit: unit.runs.get(run))
        assert stored is not None
        assert (stored.workflow, dict(stored.tags)) == ("hello", {"why": "nightly"})
        (row,) = await w.of(run)
        assert row.target == Target({"environment": ("dev",)})


async def test_an_unknown_workflow_is_told_with_the_nearest_name() -> None:
    async with world().running() as w:
        await w.house.catalog.apply(HELLO, "hello.yaml")
        with pytest.raises(Unrunnable, match="there is no workflow 'helo': did you mean 'hello'"):
            await w.house.submission.submit(NewRun(workflow="helo"), ME)
        with pytest.raises(ValueError, match="needs a document or the name"):
            await w.house.submission.submit(NewRun(), ME)


async def test_numbers_count_per_workflow() -> None:
    async with world().running() as w:
        names = [(await w.start(plan(name))).name for name in ("a", "b", "a")]
        assert names == ["a-1", "b-1", "a-2"]


# --- the catalog -------------------------------------------------------------------------------------------------


async def test_applying_stores_all_documents_of_a_file_or_none() -> None:
    async with world().running() as w:
        applied = await w.house.catalog.apply(f"{TEMPLATE}---\n{HELLO}", "both.yaml")
        assert [(document.kind, document.name) for document in applied.documents] == [
            ("template", "greet--loud"),
            ("workflow", "hello"),
        ]
        bad = HEAD.replace("NAME", "worse") + "spec: {stepz: []}\n"
        with pytest.raises(InvalidDocument):
            await w.house.catalog.apply(f"{HELLO.replace('hello', 'good')}---\n{bad}", "bad.yaml")
        assert await w.house.catalog.get(DocumentKind.WORKFLOW, "good") is None
        assert await w.house.catalog.delete(DocumentKind.TEMPLATE, "greet/loud")
        assert not await w.house.catalog.delete(DocumentKind.TEMPLATE, "greet/loud")


# --- targets -----------------------------------------------------------------------------------------------------

OWN = Target({"environment": ("dev",), "team": ("core",)}, {"name": ("old",)}, ("name",))


def test_what_a_person_wants_stands_above_the_workflows_target_label_by_label() -> None:
    wanted = Target({"environment": ("prod",)}, policy=SchedulerPolicy.ONLY_WHEN_MATCHES)
    assert merged(OWN, wanted) == Target(
        {"environment": ("prod",), "team": ("core",)}, OWN.exclude, ("name",), SchedulerPolicy.ONLY_WHEN_MATCHES
    )
    assert merged(OWN, None) == OWN
    assert merged(None, wanted) == wanted


def test_templates_in_a_target_are_filled_in() -> None:
    target = Target({"environment": ("{{ matrix.env }}",)}, replicate=("{{ matrix.by }}",))
    names: dict[str, Json] = {"matrix": {"env": "dev", "by": "team"}}
    assert filled(target, names) == Target({"environment": ("dev",)}, replicate=("team",))


def test_copies_of_a_target() -> None:
    fleet = {name: {"name": name, "team": team} for name, team in (("a", "x"), ("b", "x"), ("c", "y"))}
    assert copies(None, fleet) == (None,)
    by_team = Target(replicate=("team",))
    assert [copy.match for copy in copies(by_team, fleet) if copy] == [{"team": ("x",)}, {"team": ("y",)}]
    assert copies(by_team, {}) == (by_team,)


def _with_file(size: int) -> str:
    return (
        HEAD.replace("NAME", "large")
        + "spec:\n  use: [{name: data}]\n  steps: [{shell: cat a b}]\n  content:\n    files:\n"
        + f"    - {{path: /data/a, content: '{'x' * size}'}}\n"
    )


DATA = TEMPLATE.replace("greet/loud", "data").partition("spec:")[0] + (
    f"spec:\n  content:\n    files:\n    - {{path: /data/b, content: '{'y' * 500_000}'}}\n"
)


async def test_a_plan_that_no_message_holds_is_refused_with_the_limit_and_what_to_do() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        await w.house.catalog.apply(DATA, "data.yaml")
        with pytest.raises(
            TooLarge, match=r"'large'.* bytes; an agent takes at most 1,0[0-9,]+ in one.*too many\. Let"
        ):
            await w.house.submission.submit(NewRun(document=_with_file(600_000)), ME)
        assert await w.store.read(lambda unit: unit.runs.latest(10)) == []
        await w.house.submission.submit(NewRun(document=_with_file(100_000)), ME)
        assert await dev.assigned()


async def test_the_largest_plan_that_is_taken_fits_into_one_message() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        await w.house.catalog.apply(DATA, "data.yaml")
        low, high = 100_000, 600_000
        while high - low > 500:
            middle = (low + high) // 2
            try:
                await w.house.submission.submit(NewRun(document=_with_file(middle)), ME)
                low = middle
            except TooLarge:
                high = middle
        sizes: list[int] = []
        while (size := encode_control(await dev.heard()).ByteSize()) and len(sizes) < 50:
            sizes.append(size)
            if size > MAX_MESSAGE - 64 * 1024:
                break
        assert MAX_MESSAGE - 64 * 1024 < max(sizes) <= MAX_MESSAGE
