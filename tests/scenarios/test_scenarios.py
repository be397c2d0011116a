"""Every scenario folder, through the whole system."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
import yaml

from muster.client import Muster
from tests.scenarios.expectation import Expected, Seen, differences
from workflow.views import LogPrinted, NewRun, RunEnded

HERE = Path(__file__).parent
NAMES = sorted(path.parent.name for path in HERE.glob("*/expected.yaml"))

pytestmark = pytest.mark.asyncio(loop_scope="session")


def expectation(name: str) -> Expected:
    """The folder's expectation."""
    return Expected(**yaml.safe_load((HERE / name / "expected.yaml").read_text()))


async def apply(client: Muster, name: str) -> None:
    """Apply every document of a scenario, and what it needs."""
    for other in expectation(name).needs:
        await apply(client, other)
    for path in sorted((HERE / name).glob("*.yaml")):
        if path.name != "expected.yaml":
            await client.apply(path.read_text(), path.name)


@pytest.mark.parametrize("name", NAMES)
async def test_scenario(name: str, client: Muster, repository: Path) -> None:
    await played(name, client, f"file://{repository}")


async def played(name: str, client: Muster, repository: str, patience: float = 1) -> None:
    """Play one scenario, and hold what comes of it against what is expected. ``patience`` stretches its time."""
    expected = expectation(name)
    await apply(client, name)
    document = next(iter(yaml.safe_load_all((HERE / name / "workflow.yaml").read_text())))
    config = {key: value.replace("{repository}", repository) for key, value in expected.config.items()}
    async with asyncio.timeout(expected.within * patience):
        run = await client.submit(
            NewRun(workflow=expected.run or document["metadata"]["name"], config=config, target=expected.target)
        )
        log = await followed(client, run.id)
    seen = Seen(
        await client.run(run.id),
        log,
        await artifacts(client, run.id),
        await client.comparison(run.id),
        " ".join((await client.why(run.id)).sentences),
    )
    assert not differences(expected, seen), f"{differences(expected, seen)}\n{seen.why}\n{log[-3000:]}"


async def followed(client: Muster, run: str) -> str:
    """Everything that the run printed, as a live watcher heard it."""
    pieces: dict[tuple[str, str, str], list[str]] = {}
    async with aclosing(client.watch(run)) as events:
        async for event in events:
            match event:
                case LogPrinted(log=log):
                    pieces.setdefault((log.execution, log.ref, log.stream), []).append(log.text)
                case RunEnded():
                    break
    return "\n".join("".join(texts) for texts in pieces.values())


async def artifacts(client: Muster, run: str) -> dict[str, str]:
    """Name and content of every artifact."""
    found = {}
    for artifact in await client.artifacts(run):
        parts = [part async for part in client.artifact(artifact.execution, artifact.name)]
        found[artifact.name] = b"".join(parts).decode()
    return found
