"""The people's port served for real on loopback, above a world in memory, with writing services that are played by
hand."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI

from control_plane.ports.records import Actor, DocumentKind
from control_plane.web.app import create
from control_plane.web.calls import Services
from tests.control_plane.world import World
from workflow.identifiers import AgentName, ExecutionId, RunId
from workflow.states import ExecutionState, Verdict
from workflow.views import Applied, DocumentView, NewRun

TOKEN = "correct-horse"


@dataclass
class Played:
    """Submission, catalog, invitations and drains. ``fails`` is raised by the next call."""

    world: World
    fails: Exception | None = None
    heard: list[object] = field(default_factory=list)

    def hear(self, *what: object) -> None:
        """Remember a call, or fail as told."""
        self.heard.append(what)
        if self.fails is not None:
            error, self.fails = self.fails, None
            raise error

    async def submit(self, new: NewRun, actor: Actor) -> RunId:
        """A run with one execution that waits."""
        self.hear("submit", new, actor.name)
        run = await self.world.run(f"{new.workflow or 'every'}-1")
        await self.world.execution(run)
        return run

    async def cancel(self, run: RunId, reason: str) -> None:
        """Everything ends as canceled."""
        self.hear("cancel", run, reason)
        for one in await self.world.queries.executions(run=run):
            await self.world.ends(ExecutionId(one.id), ExecutionState.CANCELED, reason)
        await self.world.run_ends(run, Verdict.CANCELED)

    async def pause(self, run: RunId) -> None:
        """Only heard."""
        self.hear("pause", run)

    async def resume(self, run: RunId) -> None:
        """Only heard."""
        self.hear("resume", run)

    async def apply(self, text: str, file: str) -> Applied:
        """As if one workflow were in it."""
        self.hear("apply", text, file)
        return Applied(documents=(DocumentView(kind="workflow", name="a", file=file),))

    async def delete(self, kind: DocumentKind, name: str) -> bool:
        """There is only ``a``."""
        self.hear("delete", kind, name)
        return name == "a"

    async def invite(self, name: AgentName, labels: Mapping[str, str], max_concurrent: int | None = None) -> str:
        """A join string."""
        self.hear("invite", name, dict(labels), max_concurrent)
        return "mj1.abc"

    async def revoke(self, name: AgentName) -> bool:
        """Only heard."""
        self.hear("revoke", name)
        return True

    async def drain(self, name: AgentName) -> bool:
        """Only heard."""
        self.hear("drain", name)
        return True

    async def undrain(self, name: AgentName) -> bool:
        """Only heard."""
        self.hear("undrain", name)
        return True


def application(world: World, played: Played) -> FastAPI:
    """The application above the world."""
    services = Services(
        queries=world.queries,
        logs=world.logs,
        watching=world.watching,
        artifacts=world.artifacts,
        comparisons=world.comparisons,
        explanations=world.explanations,
        submission=played,
        documents=played,
        invitations=played,
        drains=played,
    )
    return create(services, token=TOKEN)


@asynccontextmanager
async def served(app: FastAPI, port: int = 0) -> AsyncIterator[str]:
    """Serve; gives the URL. Connections that are open at the end are cut."""
    config = uvicorn.Config(
        app, log_level="critical", ws="none", lifespan="off", timeout_graceful_shutdown=0, access_log=False
    )
    server = uvicorn.Server(config)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server._serve([listener]))
        while not server.started:
            await asyncio.sleep(0.001)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving
    listener.close()
