"""Units of work that change runs and executions: written, then told.

Called by every service that changes them; nobody changes them elsewhere. A unit of work gets a ``Draft``, which
checks every move of an execution against the table and remembers what changed. Once the store has it, whoever listens
is told on the event loop, in the order of the commits: routing, leases, open sessions, open journals. Then the
signals are published.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from control_plane.ports.records import ExecutionRow, PlanRow, RunRow
from control_plane.ports.signals import Signals
from control_plane.ports.store import Store, Unit
from workflow.identifiers import AgentName, ExecutionId, RunId
from workflow.session import ControlSays
from workflow.states import moved_execution

log = logging.getLogger("muster.commits")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """An execution as it was before (None: it is new) and as it is now."""

    before: ExecutionRow | None
    after: ExecutionRow


@dataclass(frozen=True, slots=True)
class Committed:
    """What a unit of work changed. ``outbox`` is to be said to agents that are connected."""

    executions: tuple[Change, ...] = ()
    runs: tuple[RunRow, ...] = ()
    outbox: tuple[tuple[AgentName, ControlSays], ...] = ()


class Listener(Protocol):
    """Who wants to know what was committed. Called on the event loop; must neither block nor fail."""

    def committed(self, what: Committed) -> None:
        """This was committed."""
        ...


@dataclass(slots=True)
class Draft:
    """A unit of work under way: reads see what it has written."""

    unit: Unit
    _changes: dict[ExecutionId, Change] = field(default_factory=dict)
    _seen: dict[ExecutionId, ExecutionRow] = field(default_factory=dict)
    _unsaved: dict[ExecutionId, ExecutionRow] = field(default_factory=dict)
    _runs: dict[str, RunRow] = field(default_factory=dict)
    _outbox: list[tuple[AgentName, ControlSays]] = field(default_factory=list)

    def get(self, execution: ExecutionId) -> ExecutionRow | None:
        """The execution as it is now."""
        change = self._changes.get(execution)
        if change is not None:
            return change.after
        row = self._seen.get(execution) or self.unit.executions.get(execution)
        if row is not None:
            self._seen[execution] = row  # nobody else writes while this unit of work is under way
        return row

    def children(self, parent: ExecutionId) -> tuple[ExecutionRow, ...]:
        """The children as they are now."""
        return tuple(map(self._as_now, self.unit.executions.children(parent)))

    def of_run(self, run: RunId) -> tuple[ExecutionRow, ...]:
        """The executions of a run as they are now."""
        return tuple(map(self._as_now, self.unit.executions.of_run(run)))

    def add(self, row: ExecutionRow, plan: PlanRow) -> None:
        """A new execution. Conflict where its place is taken."""
        self.unit.executions.add(row, plan)
        self._changes[row.id] = Change(None, row)

    def put(self, row: ExecutionRow) -> None:
        """Replace an execution. IllegalMove where the table does not hold its move; nothing is changed then."""
        before = self.get(row.id)
        if before is None:
            raise KeyError(f"there is no execution {row.id}")
        if before == row:
            return
        if before.state is not row.state:
            moved_execution(f"execution {row.id}", before.state, row.state)
        first = self._changes[row.id].before if row.id in self._changes else before
        self._changes[row.id] = Change(first, row)
        self._unsaved[row.id] = row

    def _as_now(self, row: ExecutionRow) -> ExecutionRow:
        return self._unsaved.get(row.id, row)

    def add_run(self, row: RunRow) -> None:
        """A new run."""
        self.unit.runs.add(row)
        self._runs[row.id] = row

    def put_run(self, row: RunRow) -> None:
        """Replace a run."""
        self.unit.runs.put(row)
        self._runs[row.id] = row

    def say(self, agent: AgentName, message: ControlSays) -> None:
        """Tell the agent, once this is committed and if it is connected then. Who is not connected learns it at
        Hello."""
        self._outbox.append((agent, message))

    def save(self) -> Committed:
        """Hand every changed execution to the store, once, however often it was put; all that was changed."""
        for row in self._unsaved.values():
            self.unit.executions.put(row)
        self._unsaved.clear()
        changes = tuple(change for change in self._changes.values() if change.before != change.after)
        return Committed(changes, tuple(self._runs.values()), tuple(self._outbox))


class Commits:
    """The one way to change runs and executions."""

    def __init__(self, store: Store, signals: Signals) -> None:
        self._store = store
        self._signals = signals
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Tell ``listener`` of every commit from here on. Those who came first are told first."""
        self._listeners.append(listener)

    async def write(self, work: Callable[[Draft], T]) -> T:
        """Run ``work`` in the store, make it durable, tell. Raises what ``work`` raises, or Unavailable: nothing was
        changed then.

        Who is cancelled meanwhile does not hear whether it happened; the listeners do, always. A commit that nobody
        is told of would leave work that is never placed.
        """
        return await asyncio.shield(self._written(work))

    async def _written(self, work: Callable[[Draft], T]) -> T:
        def unit_of_work(unit: Unit) -> tuple[T, Committed]:
            draft = Draft(unit)
            return work(draft), draft.save()

        value, what = await self._store.write(unit_of_work)
        self._tell(what)  # no await between the two: writes return in the order of their commits, and are told in it
        return value

    def _tell(self, what: Committed) -> None:
        for listener in self._listeners:
            try:
                listener.committed(what)
            except Exception:
                log.exception("%s did not take a commit", type(listener).__name__)
        if what.executions or what.runs:
            self._signals.publish(*topics(what))


def topics(what: Committed) -> tuple[str, ...]:
    """The topics of a commit: its executions, their runs, and the queue where something may be placed now."""
    found: dict[str, None] = {}
    for change in what.executions:
        found[f"execution/{change.after.id}"] = None
        found[f"run/{change.after.run}"] = None
        if _concerns_the_queue(change):
            found["queue"] = None
    found.update((f"run/{run.id}", None) for run in what.runs)
    return tuple(found)


def _concerns_the_queue(change: Change) -> bool:
    """Whether something may be placed now that could not before: new work, or a slot or a group's place given back."""
    before, after = change.before, change.after
    if before is None:
        return not after.state.final
    return before.state is not after.state or before.waits_at != after.waits_at


__all__ = ["Change", "Committed", "Commits", "Draft", "Listener", "topics"]
