"""What the placing knows of executions and agents, and what it decides. Values alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from workflow.identifiers import AgentName, ExecutionId, StepRef
from workflow.labels import Labels, Target
from workflow.states import ExecutionState

ANYWHERE = Target()


@dataclass(frozen=True, slots=True)
class Work:
    """An open execution. ``workflow`` is that of the run's root: turns are taken between what people started."""

    id: ExecutionId
    state: ExecutionState
    workflow: str
    queued: int  # when it joined the queue: orders it within its workflow
    attempt: int = 0
    depth: int = 0  # generations above it
    target: Target = ANYWHERE
    pinned: AgentName | None = None  # only this agent will do
    seatless: bool = False  # conducted by the control plane: needs no agent
    rides: bool = False  # a service: uses its parent's slot
    agent: AgentName | None = None  # who holds it
    parent: ExecutionId | None = None
    parent_ref: StepRef | None = None
    waits_at: StepRef | None = None  # its step that waits for children
    group: str | None = None
    group_max: int = 0  # 0: no limit
    cancel_in_progress: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)  # agent -> why it will never take it
    stopping: bool = False  # asked to end

    @property
    def waiting(self) -> bool:
        """Whether it is to be placed."""
        return self.state is ExecutionState.QUEUED

    def handed_out(self, state: ExecutionState, agent: AgentName | None) -> Work:
        """The same, in its next attempt with ``agent``."""
        return replace(self, state=state, agent=agent, attempt=self.attempt + 1)

    @property
    def demand(self) -> str:
        """Equal for works that the same agents can take."""
        if self.seatless:
            return ""
        if self.pinned is not None:
            sign = "~" if self.rides else "@"  # a service must not wait behind a worker that needs a slot
            return f"{sign}{self.pinned} {sorted(self.refused)}" if self.refused else f"{sign}{self.pinned}"
        target = self.target
        match = sorted((key, sorted(values)) for key, values in target.match.items())
        excluded = sorted((key, sorted(values)) for key, values in target.exclude.items())
        return f"{match}{excluded}{sorted(target.replicate)}{sorted(self.refused)}"


@dataclass(frozen=True, slots=True)
class Seat:
    """An agent. ``limit`` is how many executions it may work on at once: the smaller of its own and the granted
    number."""

    name: AgentName
    labels: Labels
    limit: int = 0
    connected: bool = False
    draining: bool = False  # takes nothing new; what runs there may start its workers and services
    resting: bool = False  # declined something a moment ago

    def takes(self, work: Work) -> bool:
        """Whether it takes such work at all now, slots aside."""
        return self.connected and not self.resting and (not self.draining or work.pinned is not None)


@dataclass(frozen=True, slots=True)
class Placement:
    """Hand out this execution, whose last attempt is ``attempt``, to ``agent``; to the control plane itself where
    None."""

    execution: ExecutionId
    attempt: int
    agent: AgentName | None


@dataclass(frozen=True, slots=True)
class Decisions:
    """What is to be done now. ``evictions`` are (who must make room, whose turn it is) under ``cancelInProgress``;
    ``hopeless`` are (what no agent will ever take, why)."""

    placements: tuple[Placement, ...] = ()
    evictions: tuple[tuple[ExecutionId, ExecutionId], ...] = ()
    hopeless: tuple[tuple[ExecutionId, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.placements or self.evictions or self.hopeless)
