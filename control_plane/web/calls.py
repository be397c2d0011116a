"""What the people's API asks of the services that change something, and all services that it is given.

Implemented by control_plane.services.submission, .catalog, .enrolment and .sessions; joined by the assembly. The
reading services are used as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry

from control_plane.ports.records import Actor, DocumentKind
from control_plane.services.artifacts import Artifacts
from control_plane.services.comparison import Comparisons
from control_plane.services.explanations import Explanations
from control_plane.services.logs import Logs
from control_plane.services.queries import Queries
from control_plane.services.watching import Watching
from workflow.identifiers import AgentName, RunId
from workflow.views import Applied, NewRun


class Submission(Protocol):
    """Starts runs and steers them."""

    async def submit(self, new: NewRun, actor: Actor) -> RunId:
        """A new run, or that of the same key. InvalidDocument with all problems; LookupError, ValueError in a
        sentence."""
        ...

    async def cancel(self, run: RunId, reason: str) -> None:
        """End it as canceled by ``reason``; a run that is over stays as it is."""
        ...

    async def pause(self, run: RunId) -> None:
        """Start no further step."""
        ...

    async def resume(self, run: RunId) -> None:
        """Go on."""
        ...


class Documents(Protocol):
    """The catalog."""

    async def apply(self, text: str, file: str) -> Applied:
        """Store all documents of a file, or none: InvalidDocument with all problems."""
        ...

    async def delete(self, kind: DocumentKind, name: str) -> bool:
        """Whether there was one."""
        ...


class Invitations(Protocol):
    """Who may be an agent."""

    async def invite(self, name: AgentName, labels: Mapping[str, str], max_concurrent: int | None = None) -> str:
        """A join string for one use. ValueError, in a sentence, for labels that cannot be granted."""
        ...

    async def revoke(self, name: AgentName) -> bool:
        """End its certificates and streams; whether there was such an agent."""
        ...


class Drains(Protocol):
    """Which agents take work."""

    async def drain(self, name: AgentName) -> bool:
        """Give it nothing new; whether there was such an agent."""
        ...

    async def undrain(self, name: AgentName) -> bool:
        """Give it work again; whether there was such an agent."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """All that the people's API stands on."""

    queries: Queries
    logs: Logs
    watching: Watching
    artifacts: Artifacts
    comparisons: Comparisons
    explanations: Explanations
    submission: Submission
    documents: Documents
    invitations: Invitations
    drains: Drains
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
