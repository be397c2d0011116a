"""How long tests took before: from workers and from reports of earlier runs, to the shards of the next one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from control_plane.adapters.memory import MemoryBlobs
from control_plane.ports.records import ArtifactRow, RunRow
from control_plane.services.durations import Durations
from tests.control_plane.services.world import AT, ME, Agent, Conduct, World, plan, world
from workflow.balance import ANNOTATION, from_variables
from workflow.identifiers import SECOND, StepRef
from workflow.journal import ChildrenWanted, StepStarted
from workflow.plan.children import expand
from workflow.plan.nodes import Execute, ExecuteItem, Json, Parallel, Plan, Spread, Step
from workflow.states import ExecutionState, Verdict
from workflow.views import NewRun

ONE = StepRef("1")
ASKS = {ANNOTATION: "duration"}
FILES = ("a.py", "b.py", "c.py", "d.py")
SUITE = plan(
    "suite",
    Step(ONE, Parallel(plan("suite"), Spread("2", shards={"file": list(FILES)})), name="Workers"),
    annotations=ASKS,
)
UNIT = 0.01  # seconds: leases outlive a run
TIMES = {"a.py": 60, "b.py": 1, "c.py": 30, "d.py": 29}


def length(variables: Mapping[str, Json]) -> int:
    """How long a worker with these variables takes, in units."""
    shard = variables["shard"]
    assert isinstance(shard, dict)
    files = shard["file"]
    assert isinstance(files, list)
    return sum(TIMES[str(file)] for file in files)


async def run_suite(
    w: World, agent: Agent, what: Plan = SUITE, *, ends: ExecutionState = ExecutionState.PASSED
) -> RunRow:
    """A whole run, its workers taking the time of their files."""
    run = await w.start(what)
    await carry_out(w, await agent.assigned(), ends)
    return await w.run(run)


async def carry_out(w: World, parent: Conduct, ends: ExecutionState = ExecutionState.PASSED) -> None:
    await parent.start()
    children = expand(SUITE.steps[0].body, parent.bundle.variables)  # type: ignore[arg-type]
    await parent.write(StepStarted(AT, ONE), ChildrenWanted(AT, ONE, children))
    for _ in children:
        worker = await parent.agent.assigned()
        time = length(worker.bundle.variables)
        assert "muster" not in worker.bundle.variables
        await worker.start()
        await w.clock.advance(time * UNIT)
        await worker.finish()
    await parent.finish(ends)


async def test_the_next_run_knows_how_long_items_took() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=1)
        first = await run_suite(w, dev)
        assert first.verdict is Verdict.PASSED
        await w.start(SUITE)
        second = await dev.assigned()
        history = from_variables(second.bundle.variables)
        assert set(history.items) == set(FILES)
        assert abs(sum(history.items.values()) - 120 * UNIT * SECOND) < UNIT * SECOND
        await carry_out(w, second)
        await run_suite(w, dev)  # with other shards: now a and b are told apart
        await w.start(SUITE)
        last = await dev.assigned()
        children = expand(SUITE.steps[0].body, last.bundle.variables)  # type: ignore[arg-type]
        lengths = [length(child.variables) for child in children]
        assert max(lengths) <= 61


async def test_who_does_not_ask_is_told_nothing() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=1)
        plain = plan("suite", *SUITE.steps)
        await run_suite(w, dev, plain)
        await w.start(plain)
        assert "muster" not in (await dev.assigned()).bundle.variables


async def test_failed_runs_tell_nothing() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=1)
        await run_suite(w, dev, ends=ExecutionState.FAILED)
        await w.start(SUITE)
        assert "muster" not in (await dev.assigned()).bundle.variables


async def test_a_workflow_that_another_executes() -> None:
    document = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: suite, annotations: {muster.dev/shard-by: duration}}
spec: {steps: [{parallel: {count: 2, shards: {file: [a.py, b.py, c.py, d.py]}, shell: "true"}}]}
"""
    above = plan("above", Step(ONE, Execute((ExecuteItem("suite"),)), name="Suite"))
    async with world().running() as w:
        dev = await w.agent("dev", limit=1)
        await w.house.catalog.apply(document, "suite.yaml")
        run = await w.start(above)
        await carry_out(w, await dev.assigned())
        await w.settle()
        assert (await w.run(run)).verdict is Verdict.PASSED
        await w.start(above)
        assert set(from_variables((await dev.assigned()).bundle.variables).items) == set(FILES)


async def test_reports_tell_of_test_cases() -> None:
    xml = b"""<testsuites><testsuite name="s">
<testcase classname="tests.test_a" name="one" time="1.5"/><testcase classname="tests.test_a" name="two" time="0.5"/>
<testcase classname="tests.test_b" name="one" time="4"><skipped/></testcase></testsuite></testsuites>"""
    blobs, digest = MemoryBlobs(), f"sha256:{hashlib.sha256(xml).hexdigest()}"
    async with world().running() as w:
        dev = await w.agent("dev", limit=1)
        run = await run_suite(w, dev)
        upload = await blobs.begin(digest, len(xml))
        await blobs.append(upload.id, 0, xml)
        root = (await w.of(run))[0]
        for name, size in (("report.xml", len(xml)), ("damaged.xml", 5), ("huge.xml", 10**9), ("page.html", 5)):
            what = digest if name == "report.xml" else "sha256:" + "0" * 64
            row = ArtifactRow(root.id, 1, ONE, name, size, what, AT)
            await w.store.write(lambda unit, row=row: unit.entries.add_artifact(row))  # type: ignore[misc]
        variables = await Durations(w.store, blobs).variables("suite", ASKS)
    history = from_variables(variables)
    assert history.cases == {"tests.test_a": 2 * SECOND}
    assert history.weights(["tests/test_a.py", "tests/test_b.py"]) == [2 * SECOND, 2 * SECOND]


async def test_a_store_that_refuses_is_no_history() -> None:
    async with world().running() as w:
        w.store.refusal = "disk full"
        assert await Durations(w.store, None).variables("suite", ASKS) == {}


async def test_what_a_submission_says() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=1)
        await run_suite(w, dev)
        document = """
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {name: suite, annotations: {muster.dev/shard-by: duration}}
spec: {steps: [{shell: "true"}]}
"""
        await w.house.submission.submit(NewRun(document=document), ME)
        assert set(from_variables((await dev.assigned()).bundle.variables).items) == set(FILES)


async def test_a_worker_with_shards_of_its_own_knows_it_too() -> None:
    """Browsers in parallel, and in each the files in shards: the inner ones are balanced by what inner ones took."""
    inner = plan("suite", *SUITE.steps)
    nested = plan("suite", Step(ONE, Parallel(inner, Spread("1")), name="Browsers"), annotations=ASKS)
    async with world().running() as w:
        dev = await w.agent("dev", limit=2)
        for known in (False, True):
            run = await w.start(nested)
            root = await dev.assigned()
            await root.start()
            children = expand(nested.steps[0].body, root.bundle.variables)  # type: ignore[arg-type]
            await root.write(StepStarted(AT, ONE), ChildrenWanted(AT, ONE, children))
            browser = await dev.assigned()
            assert bool(from_variables(browser.bundle.variables)) is known
            await carry_out(w, browser)
            await root.finish(ExecutionState.PASSED)
            assert (await w.run(run)).verdict is Verdict.PASSED
