"""A small world for tests of what reads: rows, journals and blobs in memory, and the reading services above them.

What the writing services would do (store entries, move states, signal) is done here by hand, so that each test says
what happened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from control_plane.adapters.memory import ManualClock, MemoryBlobs, MemoryJournals, MemoryStore
from control_plane.adapters.signals import LocalSignals
from control_plane.ports.journals import Position
from control_plane.ports.records import (
    Actor,
    AgentRow,
    AgentState,
    ChildPlace,
    EntryRow,
    ExecutionRow,
    Host,
    PlanRow,
    RunRow,
)
from control_plane.ports.store import Unit
from control_plane.services.artifacts import Artifacts, Quotas
from control_plane.services.comparison import Comparisons
from control_plane.services.explanations import Explanations
from control_plane.services.logs import Logs
from control_plane.services.queries import Queries
from control_plane.services.watching import Watching
from workflow.entries import kind_of, to_data
from workflow.identifiers import AgentName, Attempt, ExecutionId, Instant, RunId, StepRef
from workflow.journal import ArtifactStored, ChildKind, Entry, Output, Record, StepFinished, StepStarted, Stream
from workflow.plan.encode import to_bytes
from workflow.plan.nodes import Container, Group, Plan, Run, Step
from workflow.session import FileOffer
from workflow.states import ExecutionState, StepStatus, Verdict

T0 = Instant(1_700_000_000_000_000)
ENVIRONMENTS = ("dev", "staging", "prod")


def step(ref: str, name: str, *children: Step, **more: bool) -> Step:
    """A step that runs something, or a group."""
    body = Group(children) if children else Run(Container(), "true")
    return Step(StepRef(ref), body, id=name.replace(" ", "_"), name=name, **more)  # type: ignore[arg-type]


SUITE = Plan("suite", (step("1", "build"), step("2", "checks", step("2.1", "unit"), step("2.2", "load test"))))


@dataclass
class World:
    """Everything; agents dev-runner, staging-runner and prod-runner are there, dev and prod connected."""

    store: MemoryStore = field(default_factory=MemoryStore)
    journals: MemoryJournals = field(default_factory=MemoryJournals)
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    signals: LocalSignals = field(default_factory=LocalSignals)
    quotas: Quotas = field(default_factory=Quotas)
    present: frozenset[AgentName] = frozenset({AgentName("dev-runner"), AgentName("prod-runner")})

    def __post_init__(self) -> None:
        self.artifacts = Artifacts(self.store, self.blobs, ManualClock(), self.quotas)
        self.logs = Logs(self.store, self.journals, self.signals)
        self.queries = Queries(self.store, self)
        self.watching = Watching(self.queries, self.logs)
        self.comparisons = Comparisons(self.queries, self.artifacts)
        self.explanations = Explanations(self.queries, self.comparisons, self.journals)
        self._seq: dict[Attempt, int] = {}
        self._now = int(T0)

    def connected(self) -> frozenset[AgentName]:
        """Queries asks who is there."""
        return self.present

    async def populate(self) -> World:
        """Make the agents."""

        def work(unit: Unit) -> None:
            for name in ENVIRONMENTS:
                labels = {"environment": name, "zone": "1"}
                unit.fleet.add(AgentRow(AgentName(f"{name}-runner"), labels, AgentState.ACTIVE, T0))

        await self.store.write(work)
        return self

    def tick(self, microseconds: int = 1000) -> Instant:
        """A moment later than the one before."""
        self._now += microseconds
        return Instant(self._now)

    async def run(self, name: str = "every-1") -> RunId:
        """A run without executions."""
        run = RunId(f"run-{name}")
        workflow, _, number = name.rpartition("-")
        row = RunRow(run, name, int(number), workflow, Actor("user"), self.tick())
        await self.store.write(lambda unit: unit.runs.add(row))
        return run

    async def execution(
        self,
        run: RunId,
        where: str | None = None,
        *,
        plan: Plan = SUITE,
        parent: tuple[ExecutionId, str, int] | None = None,
        kind: ChildKind = ChildKind.WORKFLOW,
        host: Host = Host.AGENT,
        transfers: tuple[tuple[str, str], ...] = (),
        state: ExecutionState = ExecutionState.QUEUED,
    ) -> ExecutionId:
        """An execution; with ``where`` it runs there already, as attempt 1."""
        made = len(await self.store.read(lambda unit: unit.executions.of_run(run)))
        execution = ExecutionId(f"{run}-e{made}")
        place = ChildPlace(parent[0], StepRef(parent[1]), parent[2], kind) if parent else None
        name = f"{plan.workflow}-{made}"
        now = self.tick()
        row = ExecutionRow(execution, run, name, plan.workflow, state, host, now, place=place, queued_at=now)
        if where is not None:
            agent = AgentName(f"{where}-runner")
            row = replace(row, state=ExecutionState.RUNNING, attempt=1, agent=agent, started_at=self.tick())
        plan_row = PlanRow(execution, to_bytes(plan), transfers=transfers)
        await self.store.write(lambda unit: unit.executions.add(row, plan_row))
        self.signals.publish(f"run/{run}")
        return execution

    async def change(self, execution: ExecutionId, **fields: object) -> None:
        """Set fields of an execution's row."""

        def work(unit: Unit) -> RunId:
            row = unit.executions.get(execution)
            assert row is not None
            unit.executions.put(replace(row, **fields))  # type: ignore[arg-type]
            return row.run

        run = await self.store.write(work)
        self.signals.publish(f"execution/{execution}", f"run/{run}")

    async def says(self, execution: ExecutionId, *entries: Entry, attempt: int = 1) -> Position:
        """Entries arrive: durable, then stored, then told."""
        of = Attempt(execution, attempt)
        records = [Record(self._seq.get(of, 0) + number, entry) for number, entry in enumerate(entries, start=1)]
        self._seq[of] = await self.journals.append(of, records)

        def work(unit: Unit) -> None:
            for record in records:
                entry = record.entry
                if isinstance(entry, Output):
                    continue
                unit.entries.add([EntryRow(of, record.seq, entry.at, kind_of(entry), to_data(entry))])
            row = unit.executions.get(execution)
            assert row is not None
            unit.executions.put(replace(row, applied_seq=records[-1].seq))

        await self.store.write(work)
        self.signals.publish(f"execution/{execution}")
        return Position(attempt, records[-1].seq)

    async def prints(self, execution: ExecutionId, ref: str, data: bytes | str, **more: int) -> Position:
        """A step prints."""
        raw = data.encode() if isinstance(data, str) else data
        return await self.says(execution, Output(self.tick(), StepRef(ref), Stream.STDOUT, raw), **more)

    async def steps(self, execution: ExecutionId, outcomes: Mapping[str, int | StepStatus]) -> None:
        """Steps run one after another; an outcome is an exit code or a status."""
        for ref, outcome in outcomes.items():
            code = outcome if isinstance(outcome, int) else None
            status = outcome if isinstance(outcome, StepStatus) else StepStatus.FAILED if outcome else StepStatus.PASSED
            await self.says(execution, StepStarted(self.tick(), StepRef(ref)))
            await self.says(execution, StepFinished(self.tick(2000), StepRef(ref), status, code))

    async def artifact(self, execution: ExecutionId, name: str, data: bytes) -> str:
        """An artifact is uploaded, and its execution says so; its digest."""
        row = await self.store.read(lambda unit: unit.executions.get(execution))
        assert row is not None
        assert row.agent is not None
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        offer = FileOffer(row.current, StepRef("1"), name, len(data), digest)
        begun = await self.artifacts.begin(row.agent, offer)
        if not begun.complete:
            await self.artifacts.append(row.agent, begun.upload, 0, data)
        await self.says(execution, ArtifactStored(self.tick(), StepRef("1"), name, len(data), digest))
        return digest

    async def ends(self, execution: ExecutionId, state: ExecutionState, reason: str = "") -> None:
        """The execution ends."""
        await self.change(execution, state=state, reason=reason, finished_at=self.tick())

    async def run_ends(self, run: RunId, verdict: Verdict) -> None:
        """The run ends."""
        now = self.tick()

        def work(unit: Unit) -> None:
            row = unit.runs.get(run)
            assert row is not None
            unit.runs.put(replace(row, verdict=verdict, finished_at=now))

        await self.store.write(work)
        self.signals.publish(f"run/{run}")
