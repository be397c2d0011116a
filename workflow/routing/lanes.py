"""The queue: one lane for each workflow and each kind of demand, and whose turn it is.

Used by floor. Within a lane all wait for the same agents and the same group, so that where the first finds no place
none does.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from workflow.identifiers import ExecutionId
from workflow.routing.facts import Work

_MOST_REMEMBERED = 10_000

Rank = tuple[int, int, ExecutionId]
"""Deeper first, then who came first."""


def rank(work: Work) -> Rank:
    """Where the work stands within its lane."""
    return (-work.depth, work.queued, work.id)


@dataclass(slots=True)
class Lane:
    """Works that wait for the same. ``turn`` of a workflow is the number of its last turn."""

    workflow: str
    demand: str
    ranks: dict[ExecutionId, Rank] = field(default_factory=dict)
    _heap: list[Rank] = field(default_factory=list)

    def add(self, work: Work) -> None:
        """Join the lane, at the work's own place in it."""
        own = rank(work)
        if self.ranks.get(work.id) != own:
            self.ranks[work.id] = own
            heapq.heappush(self._heap, own)

    def first(self) -> Rank | None:
        """Whose turn it is within the lane."""
        while self._heap and self.ranks.get(self._heap[0][2]) != self._heap[0]:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None


class Lanes:
    """All lanes."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, str, str | None], Lane] = {}
        self._at: dict[ExecutionId, tuple[str, str, str | None]] = {}
        self._turns: dict[str, int] = {}
        self._turn = 0

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def __contains__(self, execution: ExecutionId) -> bool:
        return execution in self._at

    def add(self, work: Work) -> None:
        """Queue the work; where it was queued already it keeps or changes its place."""
        key = (work.workflow, work.demand, work.group)
        if self._at.get(work.id, key) != key:
            self.remove(work.id)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(work.workflow, work.demand)
        self._at[work.id] = key
        lane.add(work)

    def remove(self, execution: ExecutionId) -> None:
        """Take it out; fine where it is not in."""
        key = self._at.pop(execution, None)
        if key is None:
            return
        lane = self._lanes[key]
        del lane.ranks[execution]
        if not lane.ranks:
            del self._lanes[key]

    def served(self, workflow: str) -> None:
        """The workflow had its turn. That is remembered when its lanes are empty too: who always has one thing
        waiting must not come first each time."""
        self._turn += 1
        self._turns.pop(workflow, None)
        self._turns[workflow] = self._turn
        if len(self._turns) > _MOST_REMEMBERED:
            del self._turns[next(iter(self._turns))]  # whose last turn is longest ago

    def key(self, lane: Lane, first: Rank) -> tuple[int, Rank]:
        """What orders lanes: the workflow that waited longest for a turn, then the first in it."""
        return (self._turns.get(lane.workflow, 0), first)
