"""Three real clusters as dev, staging and prod, one control plane, the command line: what the product is for."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio import StreamReader
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster.conftest import BUSYBOX, STARTED
from tests.cluster.fleet import ENVIRONMENTS, Fleet, Site, fleet
from workflow.states import Verdict

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SEED = ROOT / "tests" / "scenarios" / "seed-5-multi-agent"

LIVE = f"""
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {{name: live}}
spec:
  container: {{image: {BUSYBOX}}}
  execution: {{target: {{replicate: [environment]}}}}
  steps:
    - name: Say
      shell: echo "so far so good"; sleep 1000
"""

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        os.environ.get("KUBECONFIG", "").count(":") < 2, reason="KUBECONFIG does not name three clusters"
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everywhere(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """Three environments; each holds the secrets and config maps that the example's has."""

    async def prepared(site: Site) -> None:
        await site.give(EXAMPLES / "environments" / site.environment)

    async with fleet(tmp_path_factory.mktemp("fleet"), 3, prepared) as made:
        yield made


async def test_every_agent_is_connected_under_its_label(everywhere: Fleet) -> None:
    listed = json.loads(await everywhere.says("get", "agents", "--output", "json"))
    found = {each["name"]: (each["labels"], each["connected"], each["executor"]) for each in listed}
    assert found == {f"{name}-runner": ({"environment": name}, True, "kubernetes") for name in ENVIRONMENTS}


@pytest.mark.parametrize("by", ["name", "label"])
async def test_the_seeds_document_runs_on_every_agent(everywhere: Fleet, tmp_path: Path, by: str) -> None:
    document = (SEED / "workflow.yaml").read_text()
    if by == "label":
        for name in ENVIRONMENTS:
            document = document.replace(f"name: {name}-runner", f"match: {{environment: [{name}]}}")
    path = tmp_path / "workflow.yaml"
    path.write_text(document)
    await everywhere.says("apply", "-f", str(SEED / "leaves.yaml"))
    said = json.loads(await everywhere.says("run", str(path), "--output", "json"))
    ran = [(each["workflow"], each["agent"], each["state"]) for each in said["run"]["executions"] if each["agent"]]
    assert sorted(ran) == [("integration-test-suite", f"{name}-runner", "passed") for name in sorted(ENVIRONMENTS)]


async def test_the_example_shows_the_one_difference(everywhere: Fleet, tmp_path: Path) -> None:
    workflows = EXAMPLES / "workflows"
    await everywhere.says("apply", "-f", str(workflows / "storefront-checks.yaml"))
    shown = await everywhere.says("run", str(workflows / "cross-environment.yaml"), code=1)
    marked = [line.split("|")[1].strip() for line in shown.splitlines() if "◄ differs" in line]
    assert marked == ["Unit tests", "test_discount_comes_before_tax", "verdict"], shown
    async with everywhere.client() as client:
        run = (await client.runs())[0]
        table = (await client.comparison(run.id)).tables[0]
        assert sorted(column.title for column in table.columns) == sorted(ENVIRONMENTS)
        log = await everywhere.says("logs", run.name)
    assert "rounding: down" in log and log.count("rounding: half-up") == 2
    assert "paying with *****" in log and "demo-key-of-" not in log
    await everywhere.says("artifacts", run.name, "--download", str(tmp_path))
    assert len(list(tmp_path.rglob("unit.xml"))) == 3


async def test_lines_are_seen_while_they_are_printed_and_a_cancel_reaches_every_pod(everywhere: Fleet) -> None:
    file = everywhere.system.state.directory.parent / "live.yaml"
    file.write_text(LIVE)
    process = await everywhere.muster("run", str(file))
    assert process.stdout is not None and process.stderr is not None
    async with everywhere.client() as client, asyncio.timeout(2 * STARTED), asyncio.TaskGroup() as tasks:
        complaints = tasks.create_task(process.stderr.read())
        seen = await _seen(process.stdout, "so far so good", 3)
        run = (await client.runs())[0]
        assert run.verdict is Verdict.PENDING and process.returncode is None
        for site in everywhere.sites.values():
            assert len(await site.objects(("pods",))) == 1, seen
        await everywhere.says("cancel", run.name)
        rest = tasks.create_task(process.stdout.read())
        assert await process.wait() == 3, (await rest, await complaints)
    for site in everywhere.sites.values():
        await site.emptied()


async def _seen(stream: StreamReader, text: str, times: int) -> list[str]:
    """The lines up to the one in which ``text`` stands that often."""
    lines: list[str] = []
    while sum(text in line for line in lines) < times:
        line = await stream.readline()
        assert line, f"it ended with {lines}"
        lines.append(line.decode())
    return lines
