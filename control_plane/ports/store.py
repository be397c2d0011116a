"""The control plane's memory, in units of work.

Called by the services. A unit of work is a plain function of a ``Unit``; the store runs it in a transaction,
elsewhere than on the event loop, and returns its value once it is durable. The function may run again from the start
where the database asks for it, so it does nothing but read and write the unit; signals are published after ``write``
returned. Several writes may share one commit.

Adapters: control_plane.adapters.sqlite, .memory (the tests' twin), later .postgres; one contract suite,
tests/contracts/store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

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
from workflow.identifiers import AgentName, ExecutionId, Instant, RunId
from workflow.states import ExecutionState

T = TypeVar("T")


class Unavailable(Exception):
    """The store cannot serve now (disk full, locked, connection lost). Nothing was changed. ``retry_after`` in
    seconds.
    """

    def __init__(self, reason: str, retry_after: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Conflict(Exception):
    """A row with this identity exists already with another content."""


class Catalog(Protocol):
    """Workflows and templates."""

    def put(self, row: DocumentRow) -> None:
        """Insert or replace by (kind, name)."""
        ...

    def get(self, kind: DocumentKind, name: str) -> DocumentRow | None:
        """By name; ``/`` in a name is ``--``."""
        ...

    def list(self, kind: DocumentKind) -> Sequence[DocumentRow]:
        """All of a kind, by name."""
        ...

    def select(self, labels: dict[str, str]) -> Sequence[DocumentRow]:
        """Workflows whose labels hold all of these, by name."""
        ...

    def delete(self, kind: DocumentKind, name: str) -> bool:
        """Whether there was one."""
        ...


class Runs(Protocol):
    """Runs."""

    def add(self, row: RunRow) -> None:
        """Insert; Conflict where the id or (actor, key) exists."""
        ...

    def get(self, run: RunId) -> RunRow | None: ...

    def find(self, text: str) -> RunRow | None:
        """By id, or by name ("<workflow>-<number>")."""
        ...

    def by_key(self, actor: Actor, key: str) -> RunRow | None:
        """The run that this idempotency key started."""
        ...

    def put(self, row: RunRow) -> None:
        """Replace; KeyError where there is none."""
        ...

    def latest(self, limit: int, before: Instant | None = None, workflow: str | None = None) -> Sequence[RunRow]:
        """Newest first."""
        ...

    def ended(self, before: Instant, limit: int) -> Sequence[RunRow]:
        """Those that finished before, the first of them first."""
        ...

    def remove(self, run: RunId) -> bool:
        """Forget the run with its executions and all that hangs on them; whether there was one. Its number is not
        given again."""
        ...

    def next_number(self, workflow: str) -> int:
        """Counts up durably, per workflow, from 1."""
        ...


class Executions(Protocol):
    """Executions and their plans."""

    def add(self, row: ExecutionRow, plan: PlanRow) -> None:
        """Insert; Conflict where the id, or the place (parent, ref, index), exists."""
        ...

    def get(self, execution: ExecutionId) -> ExecutionRow | None: ...

    def find(self, text: str) -> ExecutionRow | None:
        """By id, or by name: the newest that is called so."""
        ...

    def glances(self, runs: Iterable[RunId]) -> Sequence[Glance]:
        """A little of each execution of these runs, in order of creation."""
        ...

    def plan(self, execution: ExecutionId) -> PlanRow | None: ...

    def put(self, row: ExecutionRow) -> None:
        """Replace; KeyError where there is none."""
        ...

    def of_run(self, run: RunId) -> Sequence[ExecutionRow]:
        """In order of creation."""
        ...

    def children(self, parent: ExecutionId) -> Sequence[ExecutionRow]:
        """In order of (ref, index)."""
        ...

    def at(self, place: ChildPlace) -> ExecutionRow | None:
        """The child at a place (kind is not compared)."""
        ...

    def in_states(
        self, states: Iterable[ExecutionState], *, agent: AgentName | None = None, limit: int = 10_000
    ) -> Sequence[ExecutionRow]:
        """In order of queueing (queued_at, then created_at)."""
        ...


class Entries(Protocol):
    """Structural journal entries and artifacts: what readings are made of; and the input of orchestrated executions."""

    def add(self, rows: Sequence[EntryRow]) -> None:
        """Insert; a row that exists is left as it is."""
        ...

    def of(self, execution: ExecutionId, attempt: int | None = None) -> Sequence[EntryRow]:
        """Of one attempt, or of all, in order."""
        ...

    def add_artifact(self, row: ArtifactRow) -> None:
        """Insert or replace by (execution, attempt, name)."""
        ...

    def artifacts(self, execution: ExecutionId) -> Sequence[ArtifactRow]:
        """By name."""
        ...

    def uses(self, digest: str) -> bool:
        """Whether any execution has an artifact with this content."""
        ...

    def add_event(self, execution: ExecutionId, number: int, body: bytes) -> None:
        """The ``number``-th input event (from 1) of an orchestrated execution's machine; Conflict where it exists."""
        ...

    def events(self, execution: ExecutionId) -> Sequence[bytes]:
        """All input events in order."""
        ...


class Fleet(Protocol):
    """Agents."""

    def add(self, row: AgentRow) -> None:
        """Insert; Conflict where the name exists."""
        ...

    def get(self, name: AgentName) -> AgentRow | None: ...

    def put(self, row: AgentRow) -> None:
        """Replace; KeyError where there is none."""
        ...

    def list(self) -> Sequence[AgentRow]:
        """By name."""
        ...

    def by_token(self, token_hash: str) -> AgentRow | None:
        """Whom an unused token invites."""
        ...


class Garbage(Protocol):
    """Blobs that may be deleted: what referred to them was removed."""

    def mark(self, digest: str, since: Instant) -> None:
        """It may be; an older mark stays."""
        ...

    def unmark(self, digest: str) -> bool:
        """It may not, or it is gone; whether it was marked."""
        ...

    def has(self, digest: str) -> bool:
        """Whether it is marked."""
        ...

    def marked(self, before: Instant, limit: int) -> Sequence[str]:
        """Digests that were marked before, the first first."""
        ...


class Unit(Protocol):
    """What a unit of work reads and writes."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def executions(self) -> Executions: ...
    @property
    def entries(self) -> Entries: ...
    @property
    def fleet(self) -> Fleet: ...
    @property
    def garbage(self) -> Garbage: ...


class Store(Protocol):
    """The port."""

    async def write(self, work: Callable[[Unit], T]) -> T:
        """Run ``work`` and make it durable; nothing is changed where it raises. Serialised with other writes."""
        ...

    async def read(self, work: Callable[[Unit], T]) -> T:
        """Run ``work`` on a consistent view that holds every write that returned before."""
        ...

    async def close(self) -> None:
        """Finish what is under way and let go."""
        ...
