"""A simulated agent: the real link over real mutual TLS, and conductors that do nothing but write a journal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from agent.link.control import Link
from agent.ports.control import JournalStream, Session
from agent.relay.carrier import telling
from agent.relay.patience import Patience
from workflow.identifiers import Attempt, Instant, StepRef
from workflow.journal import AttemptFinished, AttemptStarted, Output, Record, StepFinished, StepStarted, Stream
from workflow.session import Accept, Assign, Fenced, Heartbeat, Hello, LinkDown, Refused
from workflow.states import ExecutionState, StepStatus

STEP = StepRef("1")
Conduct = Callable[[Link, Attempt], Awaitable[None]]


def now() -> Instant:
    """Microseconds since 1970."""
    return Instant(time.time_ns() // 1000)


@dataclass
class SimulatedAgent:
    """Takes what it is assigned and lets ``conduct`` write the journal."""

    link: Link
    conduct: Conduct
    slots: int = 100
    assigned: list[float] = field(default_factory=list)
    """When each assignment came, on time.perf_counter."""
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    held: set[Attempt] = field(default_factory=set)
    sessions: int = 0

    async def stay(self) -> None:
        """One session after the other, until cancelled, as patient as a real agent."""
        patience = Patience()
        while True:
            before = self.sessions
            with suppress(LinkDown):
                await self.run()
            if self.sessions > before:
                patience.reset()
            await patience.wait()

    async def run(self) -> None:
        """One session, until cancelled."""
        try:
            await self._run()
        except BaseExceptionGroup as group:
            raise telling(group, Refused, Fenced, LinkDown) from None

    async def _run(self) -> None:
        async with self.link.session(Hello("bench", "process", self.slots)) as session, asyncio.TaskGroup() as tasks:
            self.sessions += 1
            self.connected.set()
            tasks.create_task(self._beat(session))
            async for message in session.received():
                if isinstance(message, Assign):
                    self.assigned.append(time.perf_counter())
                    attempt = message.bundle.attempt
                    self.held.add(attempt)
                    await session.say(Accept(attempt))
                    tasks.create_task(self._conducted(attempt))

    async def _conducted(self, attempt: Attempt) -> None:
        await self.conduct(self.link, attempt)
        self.held.discard(attempt)

    async def _beat(self, session: Session) -> None:
        while True:
            await asyncio.sleep(session.welcome.heartbeat_ms / 1000)
            await session.say(Heartbeat(tuple(self.held)))


@asynccontextmanager
async def at_work(agents: list[SimulatedAgent], *, staying: bool = False) -> AsyncIterator[None]:
    """All of them connected, while the context is open; ``staying``: they come back."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(agent.stay() if staying else agent.run()) for agent in agents]
        for agent in agents:
            await agent.connected.wait()
        try:
            yield
        finally:
            for task in running:
                task.cancel()
    for agent in agents:
        await agent.link.close()


async def acknowledged(stream: JournalStream, seq: int) -> None:
    """Wait until everything up to ``seq`` is durable."""
    async for item in stream.received():
        if isinstance(item, int) and item >= seq:
            return
    raise AssertionError("the journal's stream ended")


async def lifecycle(link: Link, attempt: Attempt) -> None:
    """The least that an execution is: asks leave, starts a step, prints, ends; each only after what must be durable."""
    async with link.journal(attempt) as stream:
        await stream.send([Record(1, AttemptStarted(now(), "bench", "bench"))])
        await acknowledged(stream, 1)
        await stream.send(
            [
                Record(2, StepStarted(now(), STEP)),
                Record(3, Output(now(), STEP, Stream.STDOUT, b"done\n")),
                Record(4, StepFinished(now(), STEP, StepStatus.PASSED, 0)),
                Record(5, AttemptFinished(now(), ExecutionState.PASSED)),
            ]
        )
        await acknowledged(stream, 5)
