"""What a session begins with: an agent's new epoch, and what it and we hold of each other. Inside a unit of work.

Called by Sessions. Rules: a held attempt that is over, was taken back, is unknown or belongs to somebody else is
abandoned; an offer that the agent does not hold is made again, in the same attempt.
"""

from __future__ import annotations

from dataclasses import replace

from control_plane.ports.records import AgentRow, AgentState, ExecutionRow
from control_plane.ports.store import Unit
from control_plane.ports.vault import Unreadable
from control_plane.services.sessions.offers import Offers
from control_plane.services.sessions.session import Opening
from workflow.identifiers import AgentName, Attempt, Instant
from workflow.leases import Standing, Terms, standing
from workflow.session import LANGUAGE, OLDEST_PROTOCOL, PROTOCOL, Assign, Hello, Refused, Welcome
from workflow.states import ExecutionState

_LIVE = (ExecutionState.ASSIGNED, ExecutionState.RUNNING, ExecutionState.PAUSED, ExecutionState.STOPPING)
MOST_HELD = 10_000
"""Attempts that a Hello or a Heartbeat may list."""


def check_versions(hello: Hello, version: str) -> int:
    """The protocol that both speak, or Refused with both versions."""
    if hello.protocol < OLDEST_PROTOCOL or hello.oldest_protocol > PROTOCOL:
        raise Refused(
            f"the agent ({hello.agent_version or 'unknown version'}) speaks protocol {hello.oldest_protocol} to "
            f"{hello.protocol}, this control plane ({version}) speaks {OLDEST_PROTOCOL} to {PROTOCOL}: "
            "upgrade the older one"
        )
    if hello.language < LANGUAGE:
        raise Refused(
            f"the agent ({hello.agent_version or 'unknown version'}) understands plans up to version {hello.language}, "
            f"this control plane ({version}) writes version {LANGUAGE}: upgrade the agent"
        )
    if len(hello.held) > MOST_HELD:
        raise Refused(f"the agent says that it holds {len(hello.held)} attempts; at most {MOST_HELD} are believed")
    return min(hello.protocol, PROTOCOL)


def opened(
    unit: Unit, agent: AgentName, hello: Hello, offers: Offers, terms: Terms, version: str, now: Instant
) -> tuple[AgentRow, Opening]:
    """Begin a session: the agent's row, raised by an epoch, and the opening. Refused where it may not."""
    protocol = check_versions(hello, version)
    row = unit.fleet.get(agent)
    if row is None or row.state in {AgentState.INVITED, AgentState.REVOKED}:
        state = row.state.value if row else "unknown"
        raise Refused(f"agent {agent} is {state} here; run: muster agents create {agent} ... and join again")
    row = replace(
        row,
        session=row.session + 1,
        last_seen=now,
        version=hello.agent_version[:100],
        executor=hello.executor[:100],
        skew=hello.clock - now if hello.clock else 0,
    )
    unit.fleet.put(row)
    held = set(hello.held)
    abandoned = tuple(
        attempt for attempt in hello.held if not holds(unit.executions.get(attempt.execution), agent, attempt)
    )
    ours = unit.executions.in_states(_LIVE, agent=agent, limit=1_000_000)
    unheard = (mine for mine in ours if mine.state is ExecutionState.ASSIGNED and mine.current not in held)
    unsaid = [_offer(unit, mine, offers) for mine in unheard]
    welcome = Welcome(
        session=row.session,
        heartbeat_ms=round(terms.heartbeat * 1000),
        lease_ms=round(terms.lease * 1000),
        abandoned=abandoned,
        labels=row.labels,
        protocol=protocol,
        version=version,
    )
    return row, Opening(welcome, tuple(offer for offer in unsaid if offer is not None))


def holds(row: ExecutionRow | None, agent: AgentName, attempt: Attempt) -> bool:
    """Whether ``attempt`` is the present one and this agent's."""
    if row is None or row.agent != agent:
        return False
    return standing(row.attempt, row.state, attempt.number) is Standing.CURRENT


def _offer(unit: Unit, row: ExecutionRow, offers: Offers) -> Assign | None:
    """None where it cannot be made: its lease lapses, and whoever hands it out again says why it cannot be."""
    plan = unit.executions.plan(row.id)
    try:
        return offers.of(row, plan) if plan is not None else None
    except Unreadable:
        return None
