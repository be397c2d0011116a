"""The floor: who waits, who works, which agents are there; and what to hand out next.

Called by control_plane.services.routing. Mutable, and pure otherwise: the same notes in the same order give the same
decisions. What ``place`` gives out counts as taken at once; a later note of the same execution corrects that,
whatever became of it.
"""

from __future__ import annotations

import heapq

from workflow.identifiers import AgentName, ExecutionId
from workflow.routing import words
from workflow.routing.facts import Decisions, Placement, Seat, Work
from workflow.routing.lanes import Lane, Lanes, Rank
from workflow.routing.ledger import Ledger
from workflow.routing.seats import Seats
from workflow.states import ExecutionState


class Floor:
    """Notes in, decisions out."""

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._lanes = Lanes()
        self._seats = Seats()
        self._given: dict[ExecutionId, Work] = {}  # what was given out and is not noted yet, as it was before

    # --- what is known -------------------------------------------------------------------------------------------

    def note(self, work: Work) -> None:
        """An execution is new, or stands so now. Final ones are forgotten."""
        self._given.pop(work.id, None)
        if work.state.final:
            self._lanes.remove(work.id)
            self._ledger.remove(work.id)
            return
        self._ledger.put(work)
        if work.waiting:
            self._lanes.add(work)
        else:
            self._lanes.remove(work.id)

    def take_back(self, execution: ExecutionId) -> None:
        """What ``place`` gave out was not handed out after all. Nothing happens where it was noted since."""
        before = self._given.get(execution)
        if before is not None:
            self.note(before)

    def known(self, execution: ExecutionId) -> Work | None:
        """The open execution of this id."""
        return self._ledger.works.get(execution)

    def waiting(self) -> tuple[Work, ...]:
        """All that are to be placed, first come first."""
        found = [self._ledger.works[id_] for lane in self._lanes for id_ in lane.ranks]
        return tuple(sorted(found, key=lambda work: (work.queued, work.id)))

    def seat(self, seat: Seat) -> None:
        """An agent is new, or stands so now."""
        self._seats.put(seat)

    def unseat(self, agent: AgentName) -> None:
        """The agent is no more."""
        self._seats.remove(agent)

    def seat_of(self, agent: AgentName) -> Seat | None:
        """The agent as known here."""
        return self._seats.all.get(agent)

    def load(self, agent: AgentName) -> int:
        """How many of the agent's slots are held."""
        return self._ledger.load(agent)

    # --- decisions -----------------------------------------------------------------------------------------------

    def place(self, most: int = 256) -> Decisions:
        """What to hand out now, at most ``most``, and who must make room. What is given out counts as taken."""
        placements: list[Placement] = []
        evictions: list[tuple[ExecutionId, ExecutionId]] = []
        hopeless: list[tuple[ExecutionId, str]] = []
        choice = self._seats.choice(self._ledger.load)
        heads = [
            (self._lanes.key(lane, first), index, lane)
            for index, lane in enumerate(self._lanes)
            if (first := lane.first())
        ]
        heapq.heapify(heads)
        while heads and len(placements) < most:
            key, index, lane = heapq.heappop(heads)
            current = self._key(lane)
            if current != key:  # its workflow had a turn meanwhile, or its first was taken
                if current is not None:
                    heapq.heappush(heads, (current, index, lane))
                continue
            work = self._ledger.works[key[1][2]]
            if self._full(work):
                evictions += self._evicted(work)
                continue
            agent = None if work.seatless else choice.for_work(work)
            if agent is None and not work.seatless:
                if reason := self._hopeless(work):
                    hopeless.append((work.id, reason))
                continue
            placements.append(Placement(work.id, work.attempt, agent))
            self._give(work, agent)
            following = self._key(lane)
            if following is not None:
                heapq.heappush(heads, (following, index, lane))
        return Decisions(tuple(placements), tuple(evictions), tuple(hopeless))

    def why(self, execution: ExecutionId) -> str:
        """Why it waits, in a sentence; empty where it does not, or where it is about to be handed out."""
        work = self._ledger.works.get(execution)
        if work is None or not work.waiting:
            return ""
        if self._full(work):
            return words.group_full(work, len(self._ledger.others_in_group(work)))
        if work.seatless:
            return ""
        return words.no_seat(work, self._seats.all, self._ledger.load)

    def _key(self, lane: Lane) -> tuple[int, Rank] | None:
        first = lane.first()
        return self._lanes.key(lane, first) if first is not None else None

    def _full(self, work: Work) -> bool:
        return bool(work.group_max) and len(self._ledger.others_in_group(work)) >= work.group_max

    def _evicted(self, work: Work) -> list[tuple[ExecutionId, ExecutionId]]:
        """The oldest one that runs in the group, unless room is being made already."""
        if not work.cancel_in_progress:
            return []
        running = self._ledger.others_in_group(work)
        if any(other.stopping for other in running):
            return []
        oldest = min(running, key=lambda other: (other.queued, other.id))
        return [(oldest.id, work.id)]

    def _hopeless(self, work: Work) -> str:
        """Why no agent will ever take it, in a sentence; empty while one may."""
        if not work.refused:
            return ""
        able = [work.pinned] if work.pinned else self._seats.matching(work.target)
        if not able or any(name not in work.refused for name in able):
            return ""
        return words.refused(work.refused, able)

    def _give(self, work: Work, agent: AgentName | None) -> None:
        state = ExecutionState.RUNNING if work.seatless else ExecutionState.ASSIGNED
        self._lanes.served(work.workflow)
        self._lanes.remove(work.id)
        self._ledger.put(work.handed_out(state, agent))
        self._given[work.id] = work
