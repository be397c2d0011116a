"""Why something waits, said to people. No counts that change by the second: a reason is written down when it changes.

Used by floor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workflow.identifiers import AgentName
from workflow.labels import matches, shortfall
from workflow.routing.facts import Seat, Work

_NAMED = 3


def group_full(work: Work, running: int) -> str:
    """It is not its turn in its concurrency group."""
    group = work.group or ""
    whose = f"runs of {group.removeprefix('workflow:')}" if group.startswith("workflow:") else f"group {group}"
    return f"waits for its turn among the {whose}: {running} of at most {work.group_max} run"


def refused(reasons: Mapping[str, str], agents: Sequence[str]) -> str:
    """Everybody who could take it will not."""
    told = [f"{agent} refuses it: {reasons[agent]}" for agent in sorted(agents)[:_NAMED]]
    more = f"; and {len(agents) - _NAMED} more" if len(agents) > _NAMED else ""
    return "; ".join(told) + more


def no_seat(work: Work, seats: Mapping[AgentName, Seat], load: Callable[[AgentName], int]) -> str:
    """No agent takes it now; empty where one would."""
    if work.pinned is not None:
        return _pinned(work, work.pinned, seats.get(work.pinned), load)
    fitting = [seat for seat in seats.values() if matches(work.target, seat.labels)]
    if not fitting:
        return shortfall(work.target, {seat.name: seat.labels for seat in seats.values()})
    willing = [seat for seat in fitting if seat.name not in work.refused]
    if not willing:
        return refused(work.refused, [seat.name for seat in fitting])
    connected = [seat for seat in willing if seat.connected]
    if not connected:
        return f"waits for {work.target}: {_listed(willing)}, not connected"
    taking = [seat for seat in connected if not seat.draining]
    if not taking:
        return f"waits for {work.target}: {_listed(connected)}, draining"
    if all(seat.resting or load(seat.name) >= seat.limit for seat in taking):
        return f"waits for a free slot: {_listed(taking)}, all slots taken"
    return ""


def _pinned(work: Work, agent: AgentName, seat: Seat | None, load: Callable[[AgentName], int]) -> str:
    if agent in work.refused:
        return refused(work.refused, [agent])
    if seat is None or not seat.connected:
        return f"waits for {agent}, where its parent runs: not connected"
    if seat.resting or (not work.rides and load(agent) >= seat.limit):
        return f"waits for a free slot of {agent}, where its parent runs"
    return ""


def _listed(seats: Sequence[Seat]) -> str:
    names = sorted(seat.name for seat in seats)
    if len(names) == 1:
        return f"{names[0]} matches"
    shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{len(names)} agents match ({shown})"
