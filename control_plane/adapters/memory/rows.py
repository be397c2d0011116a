"""The collections of the store's twin. Their methods say what those of control_plane.ports.store say.

Constraints are the database's: what it refuses is refused here with the same exception, so that a test on the twin
finds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from control_plane.adapters.memory.tables import Ledger, Table
from control_plane.ports.records import (
    Actor,
    AgentRow,
    ArtifactRow,
    ChildPlace,
    DocumentKind,
    DocumentRow,
    EntryRow,
    ExecutionRow,
    Glance,
    PlanRow,
    RunRow,
)
from control_plane.ports.store import Conflict
from workflow.identifiers import AgentName, ExecutionId, Instant, RunId, StepRef
from workflow.states import ExecutionState

V = TypeVar("V")


class MemoryCatalog:
    """Workflows and templates."""

    def __init__(self, ledger: Ledger) -> None:
        self._documents: Table[tuple[DocumentKind, str], DocumentRow] = Table(ledger)

    def put(self, row: DocumentRow) -> None:
        self._documents.set((row.kind, _plain(row.name)), row)

    def get(self, kind: DocumentKind, name: str) -> DocumentRow | None:
        return self._documents.get((kind, _plain(name)))

    def list(self, kind: DocumentKind) -> Sequence[DocumentRow]:
        return _found(self._documents, lambda row: row.kind is kind, lambda row: row.name)

    def select(self, labels: dict[str, str]) -> Sequence[DocumentRow]:
        return [row for row in self.list(DocumentKind.WORKFLOW) if labels.items() <= dict(row.labels).items()]

    def delete(self, kind: DocumentKind, name: str) -> bool:
        return self._documents.delete((kind, _plain(name)))


class MemoryRuns:
    """Runs."""

    def __init__(self, ledger: Ledger) -> None:
        self._runs: Table[RunId, RunRow] = Table(ledger)
        self._numbers: Table[str, int] = Table(ledger)
        self.hanging: list[Callable[[RunId], None]] = []
        """Forget what hangs on a run."""

    def add(self, row: RunRow) -> None:
        if row.id in self._runs:
            raise Conflict(f"there is a run {row.id} already")
        if self.find(row.name) is not None:
            raise Conflict(f"there is a run {row.name} already")
        if row.key is not None and self.by_key(row.actor, row.key) is not None:
            raise Conflict(f"{row.actor.name} has used the key {row.key} already")
        self._runs.set(row.id, row)

    def get(self, run: RunId) -> RunRow | None:
        return self._runs.get(run)

    def find(self, text: str) -> RunRow | None:
        by_name = (row for row in self._runs if row.name == text)
        return self._runs.get(RunId(text)) or next(by_name, None)

    def by_key(self, actor: Actor, key: str) -> RunRow | None:
        return next((row for row in self._runs if row.actor == actor and row.key == key), None)

    def put(self, row: RunRow) -> None:
        self._runs.replace(row.id, row, "run")

    def latest(self, limit: int, before: Instant | None = None, workflow: str | None = None) -> Sequence[RunRow]:
        rows = _found(
            self._runs,
            lambda row: (before is None or row.created_at < before) and (workflow is None or row.workflow == workflow),
            lambda row: (row.created_at, row.id),
        )
        return rows[::-1][:limit]

    def ended(self, before: Instant, limit: int) -> Sequence[RunRow]:
        rows = _found(
            self._runs,
            lambda row: row.finished_at is not None and row.finished_at < before,
            lambda row: row.finished_at or 0,
        )
        return rows[:limit]

    def remove(self, run: RunId) -> bool:
        for forget in self.hanging:
            forget(run)
        return self._runs.delete(run)

    def next_number(self, workflow: str) -> int:
        number = (self._numbers.get(workflow) or 0) + 1
        self._numbers.set(workflow, number)
        return number


class MemoryExecutions:
    """Executions and their plans."""

    def __init__(self, ledger: Ledger, runs: MemoryRuns) -> None:
        self._runs = runs
        self._executions: Table[ExecutionId, ExecutionRow] = Table(ledger)
        self._plans: Table[ExecutionId, PlanRow] = Table(ledger)
        self._order: Table[ExecutionId, int] = Table(ledger)
        self._places: Table[tuple[ExecutionId, StepRef, int], ExecutionId] = Table(ledger)
        self.hanging: list[Callable[[ExecutionId], None]] = []
        """Forget what hangs on an execution."""
        runs.hanging.append(self._forget)

    def add(self, row: ExecutionRow, plan: PlanRow) -> None:
        if row.id in self._executions:
            raise Conflict(f"there is an execution {row.id} already")
        if self._runs.get(row.run) is None:
            raise Conflict(f"execution {row.id} belongs to run {row.run}, which does not exist")
        if plan.execution != row.id:
            raise ValueError(f"execution {row.id} came with the plan of {plan.execution}")
        if row.place is not None:
            self._occupy(row.id, row.place)
        json.dumps([dict(plan.variables), dict(row.refused_by)])
        self._executions.set(row.id, row)
        self._plans.set(row.id, plan)
        self._order.set(row.id, max(self._order, default=0) + 1)

    def get(self, execution: ExecutionId) -> ExecutionRow | None:
        return self._executions.get(execution)

    def find(self, text: str) -> ExecutionRow | None:
        named = _found(self._executions, lambda row: row.name == text, lambda row: (row.created_at, row.id))
        return self._executions.get(ExecutionId(text)) or next(reversed(named), None)

    def glances(self, runs: Iterable[RunId]) -> Sequence[Glance]:
        wanted = frozenset(runs)
        rows = _found(self._executions, lambda row: row.run in wanted, lambda row: self._order.get(row.id) or 0)
        return [Glance(row.id, row.run, row.host, row.agent, row.state, row.log_incomplete) for row in rows]

    def plan(self, execution: ExecutionId) -> PlanRow | None:
        return self._plans.get(execution)

    def put(self, row: ExecutionRow) -> None:
        known = self._executions.get(row.id) or row
        self._executions.replace(row.id, replace(row, run=known.run, place=known.place), "execution")

    def of_run(self, run: RunId) -> Sequence[ExecutionRow]:
        return _found(self._executions, lambda row: row.run == run, lambda row: self._order.get(row.id) or 0)

    def children(self, parent: ExecutionId) -> Sequence[ExecutionRow]:
        rows = [(row.place, row) for row in self._executions if row.place is not None and row.place.parent == parent]
        return [row for place, row in sorted(rows, key=lambda found: (_numbers(found[0].ref), found[0].index))]

    def at(self, place: ChildPlace) -> ExecutionRow | None:
        child = self._places.get((place.parent, place.ref, place.index))
        return None if child is None else self._executions.get(child)

    def in_states(
        self, states: Iterable[ExecutionState], *, agent: AgentName | None = None, limit: int = 10_000
    ) -> Sequence[ExecutionRow]:
        wanted = frozenset(states)
        rows = _found(
            self._executions,
            lambda row: row.state in wanted and (agent is None or row.agent == agent),
            lambda row: (row.queued_at is None, row.queued_at or 0, row.created_at, row.id),
        )
        return rows[:limit]

    def _forget(self, run: RunId) -> None:
        for row in self.of_run(run):
            for forget in self.hanging:
                forget(row.id)
            if row.place is not None:
                self._places.delete((row.place.parent, row.place.ref, row.place.index))
            for table in (self._plans, self._order, self._executions):
                table.delete(row.id)

    def _occupy(self, child: ExecutionId, place: ChildPlace) -> None:
        if place.parent not in self._executions:
            raise Conflict(f"execution {child} has the parent {place.parent}, which does not exist")
        if self.at(place) is not None:
            raise Conflict(f"there is a child {place.index} of step {place.ref} of {place.parent} already")
        self._places.set((place.parent, place.ref, place.index), child)


class MemoryEntries:
    """Structural entries, artifacts, input events."""

    def __init__(self, ledger: Ledger, executions: MemoryExecutions) -> None:
        self._executions = executions
        self._entries: Table[tuple[ExecutionId, int, int], EntryRow] = Table(ledger)
        self._artifacts: Table[tuple[ExecutionId, int, str], ArtifactRow] = Table(ledger)
        self._events: Table[tuple[ExecutionId, int], bytes] = Table(ledger)
        executions.hanging.append(self._forget)

    def add(self, rows: Sequence[EntryRow]) -> None:
        for row in rows:
            self._known(row.attempt.execution)
            json.dumps(dict(row.body))
            key = (row.attempt.execution, row.attempt.number, row.seq)
            if key not in self._entries:
                self._entries.set(key, row)

    def of(self, execution: ExecutionId, attempt: int | None = None) -> Sequence[EntryRow]:
        return _found(
            self._entries,
            lambda row: row.attempt.execution == execution and attempt in (None, row.attempt.number),
            lambda row: (row.attempt.number, row.seq),
        )

    def add_artifact(self, row: ArtifactRow) -> None:
        self._known(row.execution)
        self._artifacts.set((row.execution, row.attempt, row.name), row)

    def artifacts(self, execution: ExecutionId) -> Sequence[ArtifactRow]:
        return _found(self._artifacts, lambda row: row.execution == execution, lambda row: (row.name, row.attempt))

    def uses(self, digest: str) -> bool:
        return any(row.digest == digest for row in self._artifacts)

    def add_event(self, execution: ExecutionId, number: int, body: bytes) -> None:
        self._known(execution)
        if (execution, number) in self._events:
            raise Conflict(f"there is an event {number} of {execution} already")
        self._events.set((execution, number), body)

    def events(self, execution: ExecutionId) -> Sequence[bytes]:
        found: list[bytes] = []
        while (body := self._events.get((execution, len(found) + 1))) is not None:
            found.append(body)
        return found

    def _forget(self, execution: ExecutionId) -> None:
        for entry in self.of(execution):
            self._entries.delete((execution, entry.attempt.number, entry.seq))
        for artifact in self.artifacts(execution):
            self._artifacts.delete((execution, artifact.attempt, artifact.name))
        for number in range(1, len(self.events(execution)) + 1):
            self._events.delete((execution, number))

    def _known(self, execution: ExecutionId) -> None:
        if self._executions.get(execution) is None:
            raise Conflict(f"there is no execution {execution}")


class MemoryFleet:
    """Agents."""

    def __init__(self, ledger: Ledger) -> None:
        self._agents: Table[AgentName, AgentRow] = Table(ledger)

    def add(self, row: AgentRow) -> None:
        if row.name in self._agents:
            raise Conflict(f"there is an agent {row.name} already")
        self._agents.set(row.name, row)

    def get(self, name: AgentName) -> AgentRow | None:
        return self._agents.get(name)

    def put(self, row: AgentRow) -> None:
        self._agents.replace(row.name, row, "agent")

    def list(self) -> Sequence[AgentRow]:
        return _found(self._agents, lambda row: True, lambda row: row.name)

    def by_token(self, token_hash: str) -> AgentRow | None:
        return next((row for row in self._agents if row.token_hash == token_hash), None)


class MemoryGarbage:
    """Blobs that may be deleted."""

    def __init__(self, ledger: Ledger) -> None:
        self._marks: Table[str, tuple[Instant, str]] = Table(ledger)

    def mark(self, digest: str, since: Instant) -> None:
        if digest not in self._marks:
            self._marks.set(digest, (since, digest))

    def unmark(self, digest: str) -> bool:
        return self._marks.delete(digest)

    def has(self, digest: str) -> bool:
        return digest in self._marks

    def marked(self, before: Instant, limit: int) -> Sequence[str]:
        found = _found(self._marks, lambda mark: mark[0] < before, lambda mark: mark)
        return [digest for _, digest in found][:limit]


def _plain(name: str) -> str:
    return name.replace("/", "--")


def _numbers(ref: StepRef) -> tuple[int, ...]:
    return tuple(int(part) for part in ref.split("."))


def _found(rows: Iterable[V], wanted: Callable[[V], bool], order: Callable[[V], object]) -> list[V]:
    return sorted((row for row in rows if wanted(row)), key=order)  # type: ignore[arg-type]  # keys of one kind compare
