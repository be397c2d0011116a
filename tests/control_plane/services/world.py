"""The house over memory adapters and a clock moved by hand, with agents and conductors played by the test.

Nothing here is a mock: agents speak through the same calls as control_plane.rpc does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from control_plane.adapters.memory import ManualClock, MemoryJournals, MemoryStore, MemoryVault
from control_plane.adapters.signals import LocalSignals
from control_plane.ports.records import Actor, AgentRow, AgentState, EntryRow, ExecutionRow, RunRow
from control_plane.ports.store import Unit
from control_plane.services.house import House, Ports, join
from control_plane.services.progress import OpenJournal
from control_plane.services.sessions import OpenSession
from workflow.identifiers import AgentName, Attempt, ExecutionId, Instant, RunId, StepRef
from workflow.journal import (
    AttemptFinished,
    AttemptStarted,
    Directive,
    Entry,
    Output,
    Record,
    StepFinished,
    StepStarted,
    Stream,
)
from workflow.labels import Target
from workflow.leases import Terms
from workflow.plan.nodes import Concurrency, Container, Plan, Run, Step
from workflow.session import PROTOCOL, Accept, AgentSays, Assign, Bundle, ControlSays, Heartbeat, Hello, LeaseRenewed
from workflow.states import ExecutionState, StepStatus, Verdict

ME = Actor("ada")
AT = Instant(5)


def plan(workflow: str = "suite", *steps: Step, **more: object) -> Plan:
    """A plan of one shell step, or of ``steps``."""
    body = steps or (Step(StepRef("1"), Run(Container(), "true"), name="Test"),)
    return Plan(workflow, body, **more)  # type: ignore[arg-type]


class Conduct:
    """A conductor: writes entries, hears directives."""

    def __init__(self, agent: Agent, bundle: Bundle) -> None:
        self.agent = agent
        self.bundle = bundle
        self.attempt = bundle.attempt
        self.seq = 0
        self.journal: OpenJournal | None = None

    async def open(self) -> OpenJournal:
        """Open (again) the journal."""
        self.journal = await self.agent.world.house.progress.open(self.agent.name, self.attempt)
        return self.journal

    async def write(self, *entries: Entry) -> int:
        """Append entries and have them acknowledged."""
        journal = self.journal or await self.open()
        records = []
        for entry in entries:
            self.seq += 1
            records.append(Record(self.seq, entry))
        return await journal.append(records)

    async def start(self) -> None:
        """Begin."""
        await self.write(AttemptStarted(AT))

    async def finish(self, state: ExecutionState = ExecutionState.PASSED, reason: str = "") -> None:
        """End."""
        await self.write(AttemptFinished(AT, state, reason))

    async def run(self, state: ExecutionState = ExecutionState.PASSED) -> None:
        """A whole life of one step."""
        status = StepStatus.PASSED if state is ExecutionState.PASSED else StepStatus.FAILED
        await self.start()
        ref = StepRef("1")
        await self.write(StepStarted(AT, ref), Output(AT, ref, Stream.STDOUT, b"hello\n"))
        await self.write(StepFinished(AT, ref, status, 0 if state is ExecutionState.PASSED else 1))
        await self.finish(state)

    async def directive(self) -> Directive:
        """The next directive."""
        journal = self.journal or await self.open()
        if not hasattr(self, "_directives"):
            self._directives: AsyncIterator[Directive] = journal.directives()
        return await anext(self._directives)


class Agent:
    """An agent with its session."""

    def __init__(self, world: World, name: str, limit: int) -> None:
        self.world = world
        self.name = AgentName(name)
        self.limit = limit
        self.protocol = PROTOCOL
        self.session: OpenSession | None = None
        self._bell = asyncio.Event()

    async def connect(self, *held: Attempt) -> OpenSession:
        """Say Hello."""
        hello = Hello("0.1", "process", self.limit, tuple(held), protocol=self.protocol)
        self.session = await self.world.house.sessions.open(self.name, hello)
        self.session.attend(self._bell.set)
        return self.session

    async def leave(self) -> None:
        """The stream breaks."""
        assert self.session is not None
        await self.session.close()

    async def say(self, message: AgentSays) -> None:
        """Say something."""
        assert self.session is not None
        await self.session.heard(message)

    async def heartbeat(self, *held: Attempt) -> None:
        """Renew."""
        await self.say(Heartbeat(tuple(held)))

    async def heard(self) -> ControlSays:
        """What the control plane says next (answers to heartbeats left out)."""
        assert self.session is not None
        while True:
            message = self.session.next()
            if message is None:
                await self._bell.wait()
                self._bell.clear()
            elif not isinstance(message, LeaseRenewed):
                return message

    async def assigned(self, *, accept: bool = True) -> Conduct:
        """The next assignment, accepted."""
        message = await self.heard()
        assert isinstance(message, Assign), message
        if accept:
            await self.say(Accept(message.bundle.attempt))
        return Conduct(self, message.bundle)


@dataclass
class World:
    """Everything a test needs."""

    store: MemoryStore
    journals: MemoryJournals
    signals: LocalSignals
    clock: ManualClock
    terms: Terms
    vault: MemoryVault = field(default_factory=MemoryVault)
    log_limit: int = 0
    house: House = field(init=False)

    def __post_init__(self) -> None:
        ports = Ports(self.store, self.journals, self.signals, self.clock, self.vault)
        self.house = join(ports, terms=self.terms, version="test", log_limit=self.log_limit)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        """The house loaded and running."""
        await self.house.load()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.house.run())
            await self.house.ready.wait()
            await self.settle()
            try:
                yield self
            finally:
                task.cancel()

    def restarted(self) -> World:
        """Another control plane over the same storage, as after kill -9."""
        return World(self.store, self.journals, LocalSignals(), self.clock, self.terms, self.vault)

    async def enlist(self, name: str, limit: int = 10, **labels: str) -> Agent:
        """An agent that may connect."""
        row = AgentRow(AgentName(name), labels, AgentState.ACTIVE, Instant(1))
        await self.store.write(lambda unit: unit.fleet.add(row))
        return Agent(self, name, limit)

    async def change(self, agent: AgentName, **fields: object) -> None:
        """Change what an agent is granted, as enrolment does."""

        def work(unit: Unit) -> None:
            row = unit.fleet.get(agent)
            assert row is not None
            unit.fleet.put(replace(row, **fields))  # type: ignore[arg-type]

        await self.store.write(work)
        self.signals.publish(f"agent/{agent}", "queue")

    async def agent(self, name: str, limit: int = 10, **labels: str) -> Agent:
        """An agent that is connected."""
        agent = await self.enlist(name, limit, **labels)
        await agent.connect()
        return agent

    async def start(self, what: Plan | None = None, *, target: Target | None = None, key: str | None = None) -> RunRow:
        """A run."""
        return await self.house.submission.start(what or plan(), ME, target=target, key=key)

    async def settle(self, turns: int = 200) -> None:
        """Let everything that can go on go on; no time passes."""
        for _ in range(turns):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        await self.settle()
        await self.clock.advance(seconds)
        await self.settle()

    async def row(self, execution: ExecutionId) -> ExecutionRow:
        """An execution as stored."""
        row = await self.store.read(lambda unit: unit.executions.get(execution))
        assert row is not None
        return row

    async def of(self, run: RunRow | RunId) -> list[ExecutionRow]:
        """The executions of a run."""
        wanted = run.id if isinstance(run, RunRow) else run
        return list(await self.store.read(lambda unit: unit.executions.of_run(wanted)))

    async def ended(self, run: RunRow | RunId) -> RunRow:
        """The run once it has its verdict. Waits for signals: planning happens in threads."""
        wanted = run.id if isinstance(run, RunRow) else run
        with self.signals.subscribe(f"run/{wanted}") as news:
            while True:
                row = await self.store.read(lambda unit: unit.runs.get(wanted))
                assert row is not None
                if row.verdict is not Verdict.PENDING:
                    return row
                assert await news.wait(30), "the run does not end"

    async def until_state(self, execution: ExecutionId, state: ExecutionState) -> None:
        """Return once the execution is in ``state``."""
        with self.signals.subscribe(f"execution/{execution}") as news:
            while (await self.row(execution)).state is not state:
                assert await news.wait(30), f"{execution} does not come to {state}"

    async def until_entry(self, execution: ExecutionId, kind: str, ref: str) -> None:
        """Return once the execution's journal holds such an entry, and what follows from it was done."""
        with self.signals.subscribe(f"execution/{execution}") as news:
            while not any(e.kind == kind and e.body.get("ref") == ref for e in await self.entries(execution)):
                assert await news.wait(30), f"{execution} never came to {kind} {ref}"
        await self.settle()

    async def only(self, run: RunRow) -> ExecutionRow:
        """The only execution of a run."""
        (row,) = await self.of(run)
        return row

    async def run(self, run: RunRow) -> RunRow:
        """A run as stored."""
        row = await self.store.read(lambda unit: unit.runs.get(run.id))
        assert row is not None
        return row

    async def entries(self, execution: ExecutionId) -> Sequence[EntryRow]:
        """The structural entries of an execution."""
        return await self.store.read(lambda unit: unit.entries.of(execution))

    async def until(self, holds: Callable[[], bool], turns: int = 2000) -> None:
        """Return once ``holds``; no time passes."""
        for _ in range(turns):
            if holds():
                return
            await asyncio.sleep(0)
        raise AssertionError("it did not come to that")


def world(terms: Terms | None = None) -> World:
    """A new world."""
    return World(MemoryStore(), MemoryJournals(), LocalSignals(), ManualClock(), terms or Terms())


def group(most: int, name: str | None = None, *, cancel: bool = False) -> Mapping[str, Concurrency]:
    """``concurrency`` of a plan."""
    return {"concurrency": Concurrency(most, name, cancel)}
