"""What is taken: slots of agents, places in groups, children that their parents wait for.

Used by floor. Kept up to date work by work, so that no decision has to look at all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from workflow.identifiers import AgentName, ExecutionId, StepRef
from workflow.routing.facts import Work
from workflow.states import ExecutionState


class Ledger:
    """Every open execution, and what follows from them."""

    def __init__(self) -> None:
        self.works: dict[ExecutionId, Work] = {}
        self._slots: defaultdict[AgentName, set[ExecutionId]] = defaultdict(set)
        self._held: dict[ExecutionId, AgentName] = {}
        self._groups: defaultdict[str, set[ExecutionId]] = defaultdict(set)
        self._children: defaultdict[tuple[ExecutionId, StepRef], int] = defaultdict(int)

    def put(self, work: Work) -> None:
        """Add it, or replace what was known of it."""
        self._drop(work.id)
        self.works[work.id] = work
        self._count_child(work, 1)
        if work.group is not None and work.state.live:
            self._groups[work.group].add(work.id)
        self._weigh(work.id)
        self._weigh(work.parent)

    def remove(self, execution: ExecutionId) -> None:
        """Forget it."""
        work = self._drop(execution)
        if work is not None:
            self._weigh(execution)
            self._weigh(work.parent)

    def load(self, agent: AgentName) -> int:
        """How many slots of the agent are held."""
        return len(self._slots.get(agent, ()))

    def others_in_group(self, work: Work) -> list[Work]:
        """Who holds places in the group of ``work``; its own ancestors do not stand in its way."""
        members = self._groups.get(work.group or "", set())
        ancestors = set(self._ancestors(work)) if work.parent else set()
        return [self.works[member] for member in members if member not in ancestors]

    def _drop(self, execution: ExecutionId) -> Work | None:
        work = self.works.pop(execution, None)
        if work is not None:
            self._count_child(work, -1)
            if work.group is not None:
                self._groups[work.group].discard(execution)
                if not self._groups[work.group]:
                    del self._groups[work.group]
        return work

    def _count_child(self, work: Work, step: int) -> None:
        if work.parent is None or work.parent_ref is None:
            return
        key = (work.parent, work.parent_ref)
        self._children[key] += step
        if not self._children[key]:
            del self._children[key]

    def _weigh(self, execution: ExecutionId | None) -> None:
        """Let it hold its slot or give it back."""
        if execution is None:
            return
        work = self.works.get(execution)
        agent = work.agent if work is not None and self._works_now(work) else None
        before = self._held.get(execution)
        if before == agent:
            return
        if before is not None:
            del self._held[execution]
            self._slots[before].discard(execution)
        if agent is not None:
            self._held[execution] = agent
            self._slots[agent].add(execution)

    def _works_now(self, work: Work) -> bool:
        if not work.state.live or work.rides or work.state is ExecutionState.PAUSED:
            return False
        return work.waits_at is None or not self._children.get((work.id, work.waits_at))

    def _ancestors(self, work: Work) -> Iterator[ExecutionId]:
        seen: set[ExecutionId] = set()
        parent = work.parent
        while parent is not None and parent not in seen:
            seen.add(parent)
            yield parent
            above = self.works.get(parent)
            parent = above.parent if above is not None else None
