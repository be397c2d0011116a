"""The rows of a corpus that processes can serve, run for real: a whole embedded system, every document as written.

Called by tests.conformance.corpus. What a row needs is its ``tier``: a container is not pretended, such a row waits
for an executor that has containers. Rows of a quarter of an hour and more are only planned.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import aclosing
from enum import Enum, auto
from pathlib import Path

from muster.client import ClientError, Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from tests.conformance.rows import Row, parsed
from workflow.model import Node, TargetSpec
from workflow.model.shape import each_node
from workflow.problems import InvalidDocument
from workflow.views import NewRun, RunEnded, RunView

AT_ONCE = 6
"""Rows under way at the same time."""
WITHIN = 180.0
"""Seconds that a row may take."""


class Need(Enum):
    """What a row of class ``run`` needs."""

    NOTHING = auto()  # a template, or too long: planning says all
    PROCESSES = auto()
    CONTAINERS = auto()


def need(row: Row) -> Need:
    """What this row needs."""
    if "LONG" in row.tier or row.kind != "TestWorkflow":
        return Need.NOTHING
    return Need.CONTAINERS if row.tier.startswith("a-container") else Need.PROCESSES


async def run_all(rows: Sequence[Row], documents: Sequence[Row]) -> dict[Row, str]:
    """What disagrees about each row, in words, empty where nothing does. ``documents`` are what the catalog holds."""
    with tempfile.TemporaryDirectory(prefix="muster-corpus-") as folder:
        system = await LocalSystem.start(LocalState(Path(folder)), fleet(rows))
        try:
            async with Muster(system.endpoint.url, system.endpoint.token) as client:
                return await judged_all(client, rows, documents)
        finally:
            await system.stop()


async def judged_all(client: Muster, rows: Sequence[Row], documents: Sequence[Row]) -> dict[Row, str]:
    """The same, through a system that runs."""
    await _apply(client, [*documents, *rows])
    gate = asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(_judged(client, row, gate) for row in rows))
    return dict(zip(rows, found, strict=True))


def fleet(rows: Sequence[Row]) -> tuple[LocalAgent, ...]:
    """Three environments, and every agent that a document names."""
    named = sorted({name for row in rows for name in _named(row)})
    here = [LocalAgent(f"{name}-runner", {"environment": name}) for name in ("dev", "staging", "prod")]
    return (*here, *(LocalAgent(name) for name in named))


def _named(row: Row) -> set[str]:
    found: set[str] = set()

    def look(node: Node) -> None:
        if isinstance(node, TargetSpec):
            found.update(node.to_target().match.get("name", ()))

    try:
        for workflow in parsed(row).workflows:
            each_node(workflow, look)
    except InvalidDocument:
        pass  # another judge says so
    return found


async def _apply(client: Muster, rows: Sequence[Row]) -> None:
    for row in rows:
        try:
            await client.apply(row.path.read_text(), row.path.name)
        except (ClientError, InvalidDocument):
            continue  # another judge says so


async def _judged(client: Muster, row: Row, gate: asyncio.Semaphore) -> str:
    async with gate:
        try:
            async with asyncio.timeout(WITHIN):
                run = await ended(client, await client.submit(NewRun(workflow=row.name)))
        except TimeoutError:
            return f"was not over within {WITHIN:.0f} s"
        except ClientError as error:
            return f"was not run: {error}"
        wanted = row.expect.split()[0].lower()
        if wanted in ("either", str(run.verdict)):
            return ""
        told = " ".join((await client.why(run.id)).sentences)
        return f"ended as {run.verdict}, not {wanted}: {told}"


async def ended(client: Muster, run: RunView) -> RunView:
    """The run once it is over."""
    async with aclosing(client.watch(run.id)) as events:
        async for event in events:
            if isinstance(event, RunEnded):
                return event.run
    return await client.run(run.id)
