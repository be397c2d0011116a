"""The services joined with each other, over any adapters: what the assembly runs and what the tests drive.

Order of life: made, ``load``, then ``run`` for as long as anything is served.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from control_plane.ports.blobs import Blobs
from control_plane.ports.clock import Clock
from control_plane.ports.journals import JournalLog
from control_plane.ports.signals import Signals
from control_plane.ports.store import Store
from control_plane.ports.vault import Vault
from control_plane.services.catalog import Catalog
from control_plane.services.commits import Commits
from control_plane.services.directives import Feeds
from control_plane.services.durations import Durations
from control_plane.services.orchestration import Orchestration
from control_plane.services.progress import Progress
from control_plane.services.routing import Routing
from control_plane.services.schedules import Schedules
from control_plane.services.sessions import Sessions
from control_plane.services.sessions.offers import Offers
from control_plane.services.submission import Planning, Submission
from control_plane.services.supervision import Supervision
from workflow.leases import Leases, Terms


@dataclass(frozen=True, slots=True)
class Ports:
    """What the services need of the world."""

    store: Store
    journals: JournalLog
    signals: Signals
    clock: Clock
    vault: Vault
    blobs: Blobs | None = None  # without them reports of earlier runs are not read


@dataclass(frozen=True, slots=True)
class House:
    """Every service that changes runs and executions."""

    commits: Commits
    catalog: Catalog
    submission: Submission
    routing: Routing
    sessions: Sessions
    progress: Progress
    supervision: Supervision
    orchestration: Orchestration
    schedules: Schedules
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def load(self) -> None:
        """Learn what the store holds, and apply what was durable and not applied. Before anything is served."""
        await self.progress.recover()
        await self.routing.load()
        await self.supervision.load()
        await self.orchestration.load()

    async def run(self) -> None:
        """Run what runs in the background until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.sessions.run())
            tasks.create_task(self.supervision.run(self.sessions.cut))
            tasks.create_task(self.orchestration.run())
            tasks.create_task(self.routing.run())
            tasks.create_task(self.schedules.run())
            self.ready.set()


def join(ports: Ports, *, terms: Terms | None = None, version: str = "", log_limit: int = 0) -> House:
    """The house over these ports."""
    terms = terms or Terms()
    store, signals, clock = ports.store, ports.signals, ports.clock
    commits, leases, feeds = Commits(store, signals), Leases(terms), Feeds(store)
    durations = Durations(store, ports.blobs)
    planning = Planning(store, clock, ports.vault, durations)
    offers = Offers(ports.vault, log_limit)
    supervision = Supervision(store, clock, commits, leases, terms)
    routing = Routing(store, signals, clock, commits, offers, terms)
    sessions = Sessions(store, signals, clock, commits, leases, routing, supervision, offers, terms, version)
    progress = Progress(store, ports.journals, signals, clock, commits, feeds, planning, log_limit)
    orchestration = Orchestration(store, ports.journals, signals, clock, commits, feeds, planning)
    for listener in (supervision, routing, feeds, progress, orchestration, sessions):
        commits.listen(listener)
    submission = Submission(store, clock, commits, planning, supervision, durations)
    return House(
        commits=commits,
        catalog=Catalog(store, clock, signals),
        submission=submission,
        routing=routing,
        sessions=sessions,
        progress=progress,
        supervision=supervision,
        orchestration=orchestration,
        schedules=Schedules(store, signals, clock, submission),
    )
