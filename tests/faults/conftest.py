"""A system with one agent and short leases, whose programs are killed on purpose; a run that prints when it is told to.

The workflow reads a pipe in its own workspace before each round of numbered lines, so that a test says when what is
printed, and waits for nothing but events.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.executors.process.folders import Folders, holder
from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from workflow.identifiers import Attempt, ExecutionId
from workflow.states import Verdict
from workflow.views import ExecutionView, LogPrinted, NewRun, RunEnded, RunView

AGENT = LocalAgent("dev-runner", {"environment": "dev"})
SHORT = {"MUSTER_HEARTBEAT": "0.3", "MUSTER_LEASE": "1", "MUSTER_ANSWER": "5", "MUSTER_STOP_GRACE": "3"}
"""Patience of the control plane, in seconds."""
PATIENCE = 20.0
"""Seconds for which a test waits for anything."""
ROUNDS = 3
LINES = 2000
NUMBERED = f"""\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata:
  name: numbered
  annotations: {{muster.dev/on-lost: ON_LOST}}
spec:
  container: {{workingDir: /data}}
  steps:
    - name: Count
      shell: |
        mkfifo go; exec 3<>go; i=0
        while [ $i -lt {ROUNDS * LINES} ]; do
          [ $((i % {LINES})) != 0 ] || read line <&3
          i=$((i+1)); echo $i
        done
"""
ALL = [str(number) for number in range(1, ROUNDS * LINES + 1)]


@dataclass
class Watched:
    """A run, as a client hears it live. ``id``: of its one execution, once it is known."""

    run: RunView
    id: str = ""
    text: str = ""
    ended: RunView | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so; looked at after each event."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(true)

    async def printed(self, number: int) -> None:
        """Wait for a line."""
        await self.until(lambda: f"\n{number}\n" in f"\n{self.text}")

    async def verdict(self) -> Verdict:
        """Wait for the end."""
        await self.until(lambda: self.ended is not None)
        assert self.ended is not None
        return self.ended.verdict

    async def follow(self, client: Muster) -> None:
        """Hear until the end."""
        async with aclosing(client.watch(self.run.id)) as events:
            async for event in events:
                async with self._news:
                    match event:
                        case LogPrinted(log=log) if log.stream != "system":
                            self.text += log.text
                        case RunEnded(run=run):
                            self.ended = run
                        case _:
                            pass
                    self._news.notify_all()


@dataclass
class Field:
    """The system under fire."""

    system: LocalSystem
    client: Muster

    @property
    def home(self) -> Path:
        """The agent's state."""
        return self.system.state.agent(AGENT.name)

    @asynccontextmanager
    async def numbered(self, on_lost: str = "abort") -> AsyncIterator[Watched]:
        """Start the run and follow it while the context is open."""
        run = await self.client.submit(NewRun(document=NUMBERED.replace("ON_LOST", on_lost)))
        watched = Watched(run)
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(watched.follow(self.client))
            yield watched
            following.cancel()

    async def execution(self, watched: Watched) -> ExecutionView:
        """The run's one execution, now."""
        (execution,) = (await self.client.run(watched.run.id)).executions
        return execution

    async def round(self, watched: Watched, attempt: int = 1) -> None:
        """Let it print the next lines; returns once it has begun to."""
        watched.id = watched.id or (await self.execution(watched)).id
        go = self.folder(watched.id, attempt) / "workspace" / "data" / "go"
        await self.until(go.exists)
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(go.write_text, "on\n")

    def folder(self, execution: str, attempt: int = 1) -> Path:
        """Where an attempt lies."""
        return Folders(self.home / "attempts").of(Attempt(ExecutionId(execution), attempt))

    async def conductor(self, watched: Watched, attempt: int = 1) -> int:
        """The process that conducts it."""
        pid = holder(self.folder((await self.execution(watched)).id, attempt))
        assert pid is not None
        return pid

    async def kill(self, name: str) -> None:
        """kill -9, and wait for the end."""
        self.system.program(name).kill()
        await self.system.program(name).ended()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for what gives no signal (a file of another process)."""
        async with asyncio.timeout(PATIENCE):
            while not true():
                await asyncio.sleep(0.01)

    async def connected(self, wanted: bool) -> None:
        """Wait until the control plane sees the agent so."""
        async with asyncio.timeout(PATIENCE):
            while (await self.client.agents())[0].connected is not wanted:
                await asyncio.sleep(0.05)

    async def stored(self, watched: Watched) -> list[str]:
        """The lines as they are stored."""
        pieces = [log.text async for log in self.client.logs(watched.run.id, step="Count") if log.stream != "system"]
        return "".join(pieces).splitlines()


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Field]:
    """The system, up."""
    system = await LocalSystem.start(LocalState(tmp_path / "state"), (AGENT,), environment=SHORT)
    try:
        async with Muster(system.endpoint.url, system.endpoint.token) as client:
            yield Field(system, client)
    finally:
        await system.stop()
