"""Who still holds what: leases on attempts, told by a clock that never jumps.

Called by control_plane.services.supervision and .sessions, which hand in seconds of a monotonic clock. Wall clocks,
the agent's or ours, decide nothing. Nothing here is stored: after a restart every lease begins anew, as if each agent
had gone at that moment.

The rules. An offer is answered in time, or handed out again. Each heartbeat renews what it lists. What an agent no
longer lists for longer than the lease is lost. An agent that says nothing for longer than the lease is cut off and
counts as gone; what it held and had not begun is handed out again after the lease, what had begun waits for it to
come back, ``lost_after`` at the longest. What was told to stop and does not end is ended without being asked.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from workflow.identifiers import AgentName, Attempt
from workflow.states import ExecutionState


@dataclass(frozen=True, slots=True)
class Terms:
    """How long, in seconds."""

    heartbeat: float = 10.0
    lease: float = 30.0
    answer: float = 10.0  # to an offer
    lost_after: float = 300.0  # for a gone agent to come back
    stop_grace: float = 60.0  # for a connected agent to end what was told to stop


class Standing(StrEnum):
    """What an attempt that somebody names is to us."""

    CURRENT = "current"
    FENCED = "fenced"  # a newer one exists, or it was taken back
    OVER = "over"
    UNKNOWN = "unknown"  # never handed out


def standing(attempt: int, state: ExecutionState, named: int) -> Standing:
    """What attempt number ``named`` is, where the execution is at ``attempt`` and in ``state``. The fencing rule."""
    if named > attempt or named < 1:
        return Standing.UNKNOWN
    if named < attempt or state is ExecutionState.QUEUED:
        return Standing.FENCED
    return Standing.OVER if state.final else Standing.CURRENT


class Cause(StrEnum):
    """Why a lease ended."""

    UNANSWERED = "unanswered"  # an offer
    LAPSED = "lapsed"  # not begun, and not renewed
    DROPPED = "dropped"  # begun; its agent is there and does not list it any more
    GONE = "gone"  # begun; its agent did not come back
    STUBBORN = "stubborn"  # told to stop, and did not
    SILENT = "silent"  # an agent that is connected and says nothing


@dataclass(frozen=True, slots=True)
class Lapse:
    """The lease of ``attempt`` ended; of the whole agent where None."""

    cause: Cause
    agent: AgentName
    attempt: Attempt | None = None


@dataclass(slots=True)
class Lease:
    """One attempt's lease."""

    attempt: Attempt
    agent: AgentName
    renewed: float
    answered: bool = False
    started: bool = False
    stopping: float | None = None  # since when


@dataclass(slots=True)
class Presence:
    """An agent: connected since, or gone since."""

    connected: bool
    since: float
    heard: float


_Key = AgentName | Attempt


class Leases:
    """All leases. ``now`` is always in seconds of the same monotonic clock."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._leases: dict[Attempt, Lease] = {}
        self._of: dict[AgentName, set[Attempt]] = {}
        self._agents: dict[AgentName, Presence] = {}
        self._due: list[tuple[float, int, _Key]] = []
        self._scheduled: dict[_Key, float] = {}
        self._count = 0

    # --- agents --------------------------------------------------------------------------------------------------

    def connected(self, agent: AgentName, held: Iterable[Attempt], now: float) -> None:
        """A session began, and listed what the agent holds."""
        self._agents[agent] = Presence(True, now, now)
        listed = set(held)
        for lease in self._held_by(agent):
            lease.renewed = now
            lease.answered = lease.answered or lease.attempt in listed
            self._schedule(lease.attempt)
        self._schedule(agent)

    def disconnected(self, agent: AgentName, now: float) -> None:
        """Its session ended."""
        presence = self._agents.get(agent)
        if presence is not None and presence.connected:
            self._agents[agent] = Presence(False, now, presence.heard)
            for lease in self._held_by(agent):
                self._schedule(lease.attempt)

    def heartbeat(self, agent: AgentName, held: Iterable[Attempt], now: float) -> tuple[Lapse, ...]:
        """Renew what is listed. What has not been listed for longer than the lease has lapsed."""
        self.heard(agent, now)
        listed = set(held)
        lapsed: list[Lapse] = []
        for lease in self._held_by(agent):
            if lease.attempt in listed:
                lease.renewed, lease.answered = now, True
            elif lease.renewed + self._terms.lease <= now:
                lapsed.append(Lapse(Cause.DROPPED if lease.started else Cause.LAPSED, agent, lease.attempt))
        return tuple(lapsed)

    def heard(self, agent: AgentName, now: float) -> None:
        """The agent said something."""
        presence = self._agents.get(agent)
        if presence is not None:
            presence.heard = now

    def forget(self, agent: AgentName) -> None:
        """The agent is no more. Its leases go on until they lapse."""
        self._agents.pop(agent, None)

    # --- attempts ------------------------------------------------------------------------------------------------

    def offered(self, attempt: Attempt, agent: AgentName, now: float) -> None:
        """It was handed out. Said again, the older lease stands."""
        if attempt not in self._leases:
            self._add(Lease(attempt, agent, now), now)

    def accepted(self, attempt: Attempt, now: float) -> None:
        """Its agent took it."""
        lease = self._leases.get(attempt)
        if lease is not None:
            lease.answered, lease.renewed = True, now
            self._schedule(attempt)

    def started(self, attempt: Attempt, agent: AgentName, now: float) -> None:
        """It has begun, so that it may not simply be handed out again."""
        if attempt not in self._leases:
            self._add(Lease(attempt, agent, now), now)
        lease = self._leases[attempt]
        lease.answered = lease.started = True
        self._schedule(attempt)

    def stopping(self, attempt: Attempt, now: float) -> None:
        """It was told to stop."""
        lease = self._leases.get(attempt)
        if lease is not None and lease.stopping is None:
            lease.stopping = now
            self._schedule(attempt)

    def holder(self, attempt: Attempt) -> AgentName | None:
        """Who holds the attempt; None where it is over, was taken back, or never was."""
        lease = self._leases.get(attempt)
        return lease.agent if lease is not None else None

    def ended(self, attempt: Attempt) -> None:
        """It is over, or was taken back."""
        lease = self._leases.pop(attempt, None)
        if lease is not None:
            self._of[lease.agent].discard(attempt)

    # --- time ----------------------------------------------------------------------------------------------------

    def due(self) -> float | None:
        """When to ask ``lapsed`` again, at the earliest; None while nothing can lapse."""
        while self._due:
            at, _, key = self._due[0]
            if self._scheduled.get(key) == at:
                actual = self._deadline(key)
                if actual is not None and actual <= at:
                    return at
                heapq.heappop(self._due)
                del self._scheduled[key]
                if actual is not None:
                    self._push(actual, key)
            else:
                heapq.heappop(self._due)
        return None

    def lapsed(self, now: float) -> tuple[Lapse, ...]:
        """What has lapsed by ``now``. Each is told once, and again after a while as long as nobody ends it."""
        found: list[_Key] = []
        while (at := self.due()) is not None and at <= now:
            key = heapq.heappop(self._due)[2]
            del self._scheduled[key]
            found.append(key)
        for key in found:
            self._push(now + self._terms.answer, key)
        return tuple(map(self._told, found))

    def _deadline(self, key: _Key) -> float | None:
        """When this lapses as things stand; None where it cannot."""
        if isinstance(key, Attempt):
            lease = self._leases.get(key)
            return None if lease is None else self._lease_deadline(lease)
        presence = self._agents.get(key)
        return presence.heard + self._terms.lease if presence is not None and presence.connected else None

    def _lease_deadline(self, lease: Lease) -> float | None:
        presence = self._agents.get(lease.agent)
        if presence is None or not presence.connected:
            if lease.started:
                away = max(presence.since if presence else 0.0, lease.renewed)
                return away + self._terms.lost_after
            return lease.renewed + self._terms.lease
        if lease.stopping is not None:
            return max(lease.stopping, presence.since) + self._terms.stop_grace
        return None if lease.answered else lease.renewed + self._terms.answer

    def _told(self, key: _Key) -> Lapse:
        if not isinstance(key, Attempt):
            return Lapse(Cause.SILENT, key)
        lease = self._leases[key]
        presence = self._agents.get(lease.agent)
        if presence is None or not presence.connected:
            return Lapse(Cause.GONE if lease.started else Cause.LAPSED, lease.agent, key)
        cause = Cause.STUBBORN if lease.stopping is not None else Cause.UNANSWERED
        return Lapse(cause, lease.agent, key)

    def _held_by(self, agent: AgentName) -> list[Lease]:
        return [self._leases[attempt] for attempt in sorted(self._of.get(agent, ()))]

    def _add(self, lease: Lease, now: float) -> None:
        self._agents.setdefault(lease.agent, Presence(False, now, now))
        self._leases[lease.attempt] = lease
        self._of.setdefault(lease.agent, set()).add(lease.attempt)
        self._schedule(lease.attempt)

    def _schedule(self, key: _Key) -> None:
        at = self._deadline(key)
        if at is not None:
            self._push(at, key)

    def _push(self, at: float, key: _Key) -> None:
        """Look at ``key`` at that time, or earlier where that was said before."""
        if self._scheduled.get(key, at + 1) <= at:
            return
        self._scheduled[key] = at
        self._count += 1
        heapq.heappush(self._due, (at, self._count, key))
