"""The agents, which of them can take a piece of work, and which of those is least loaded.

Used by floor.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from workflow.identifiers import AgentName
from workflow.labels import Target, matches
from workflow.routing.facts import Seat, Work

_MOST_REMEMBERED = 4096

Load = Callable[[AgentName], int]
Key = tuple[float, int, AgentName]


class Seats:
    """All known agents, connected or not."""

    def __init__(self) -> None:
        self.all: dict[AgentName, Seat] = {}
        self._fitting: dict[str, tuple[AgentName, ...]] = {}  # by demand
        self._given: dict[AgentName, int] = {}
        self._turn = 0

    def put(self, seat: Seat) -> None:
        """Add it, or replace what was known of it."""
        before = self.all.get(seat.name)
        if before is None or dict(before.labels) != dict(seat.labels):
            self._fitting.clear()
        self.all[seat.name] = seat

    def remove(self, agent: AgentName) -> None:
        """Forget it."""
        if self.all.pop(agent, None) is not None:
            self._fitting.clear()
            self._given.pop(agent, None)

    def matching(self, target: Target) -> list[AgentName]:
        """Whose labels fit."""
        return [seat.name for seat in self.all.values() if matches(target, seat.labels)]

    def fitting(self, work: Work) -> tuple[AgentName, ...]:
        """Who may take the work, connected or not: labels fit, and it was not refused."""
        demand = work.demand
        found = self._fitting.get(demand)
        if found is None:
            if len(self._fitting) >= _MOST_REMEMBERED:
                self._fitting.clear()
            able = [work.pinned] if work.pinned is not None else self.matching(work.target)
            found = self._fitting[demand] = tuple(a for a in able if a in self.all and a not in work.refused)
        return found

    def given(self, agent: AgentName) -> None:
        """The agent got something: among equally loaded ones it comes last now."""
        self._turn += 1
        self._given[agent] = self._turn

    def key(self, agent: AgentName, load: int) -> Key:
        """What orders agents: the share of its slots that is taken, then who got nothing for longest."""
        return (load / max(self.all[agent].limit, 1), self._given.get(agent, 0), agent)

    def choice(self, load: Load) -> Choice:
        """A choice among the agents, for one round of placing."""
        return Choice(self, load)


class Choice:
    """Within a round loads only grow, so the agents of one demand are kept in a heap and looked at again when they
    come up."""

    def __init__(self, seats: Seats, load: Load) -> None:
        self._seats = seats
        self._load = load
        self._heaps: dict[str, list[Key]] = {}

    def for_work(self, work: Work) -> AgentName | None:
        """The least loaded agent with a free slot that may take it; None where there is none."""
        place = work.demand
        heap = self._heaps.get(place)
        if heap is None:
            heap = self._heaps[place] = [
                self._key(agent) for agent in self._seats.fitting(work) if self._open(agent, work)
            ]
            heapq.heapify(heap)
        while heap:
            agent = heap[0][2]
            now = self._key(agent)
            if not self._open(agent, work):
                heapq.heappop(heap)
            elif now != heap[0]:
                heapq.heapreplace(heap, now)
            else:
                self._seats.given(agent)
                return agent
        return None

    def _key(self, agent: AgentName) -> Key:
        return self._seats.key(agent, self._load(agent))

    def _open(self, agent: AgentName, work: Work) -> bool:
        seat = self._seats.all[agent]
        return seat.takes(work) and (work.rides or self._load(agent) < seat.limit)
