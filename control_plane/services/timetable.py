"""The catalog's ``events``, read into what the clock needs to know. Used by schedules.

Events may stand in a workflow or come from a template that it uses, and their texts may hold parameters, so workflows
are resolved for it. What cannot be resolved without parameters takes its own events as written.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, cast

from control_plane.ports.records import DocumentKind, DocumentRow
from control_plane.ports.store import Store, Unit
from control_plane.services.submission.library import Library
from workflow.durations import BadForm, microseconds
from workflow.identifiers import SECOND, Instant
from workflow.labels import to_data
from workflow.model import CronJob, Workflow, WorkflowTemplate
from workflow.plan.nodes import Json
from workflow.problems import InvalidDocument
from workflow.resolve import resolve
from workflow.schedule import Cron, Schedule, parse_schedule, zone

START_WITHIN: Final = "muster.dev/start-within"
DEFAULT_WITHIN: Final = 3600 * SECOND
MOST_WITHIN: Final = 7 * 24 * 3600 * SECOND

log = logging.getLogger("muster.schedules")


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. ``digest`` names workflow and event, and changes with what the event says; ``since`` is when its
    document was applied; ``start_within`` microseconds a missed firing may be late."""

    workflow: str
    digest: str
    schedule: Schedule
    zone: tzinfo
    since: Instant
    config: Mapping[str, Json]
    target: Mapping[str, Json] | None
    tags: Mapping[str, str]
    start_within: int = DEFAULT_WITHIN


class Timetable:
    """See the module. Keeps what it read: a catalog changes in one document at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._library = Library()
        self._known: dict[str, tuple[tuple[str, str, Instant], tuple[Entry, ...]]] = {}

    async def read(self) -> Mapping[str, Entry]:
        """Every event of the catalog, by its digest. Unavailable."""
        workflows, templates = await self._store.read(_documents)
        return await asyncio.to_thread(self._entries, workflows, templates)

    def _entries(self, workflows: list[DocumentRow], templates: list[DocumentRow]) -> dict[str, Entry]:
        shared = hashlib.sha256("".join(row.digest for row in templates).encode()).hexdigest()
        known, parsed = self._known, self._library.templates(templates) if workflows else {}
        self._known = {}
        for row in workflows:
            state = (row.digest, shared, row.updated_at)
            before = known.get(row.name)
            kept = before is not None and before[0] == state
            self._known[row.name] = before if before and kept else (state, tuple(self._of(row, parsed)))
        return {entry.digest: entry for _, entries in self._known.values() for entry in entries}

    def _of(self, row: DocumentRow, templates: Mapping[str, WorkflowTemplate]) -> Iterator[Entry]:
        try:
            workflow = self._library.workflow(row)
        except InvalidDocument:
            return
        for job in _jobs(workflow, templates):
            try:
                yield _entry(row, job)
            except (BadForm, InvalidDocument) as wrong:
                log.warning("a schedule of %s cannot be used: %s", row.name, wrong)


def _documents(unit: Unit) -> tuple[list[DocumentRow], list[DocumentRow]]:
    """The workflows that may have events, and the templates."""
    templates = list(unit.catalog.list(DocumentKind.TEMPLATE))
    inherited = any("cronjob" in row.text for row in templates)
    workflows = [
        row
        for row in unit.catalog.list(DocumentKind.WORKFLOW)
        if "cronjob" in row.text or (inherited and "use" in row.text)
    ]
    return workflows, templates


def _jobs(workflow: Workflow, templates: Mapping[str, WorkflowTemplate]) -> list[CronJob]:
    own = [event.cronjob for event in workflow.spec.events if event.cronjob is not None]
    for config in ({}, *(job.config for job in own)):
        try:
            resolved = resolve(workflow, templates, config)
        except InvalidDocument:
            continue
        return [event.cronjob for event in resolved.spec.events if event.cronjob is not None]
    return own


def _entry(row: DocumentRow, job: CronJob) -> Entry:
    """The event. BadForm where a text is none, or not known before it runs."""
    schedule = parse_schedule(job.cron)
    name = job.timezone or (schedule.zone if isinstance(schedule, Cron) else "")
    content = json.dumps([row.name, job.dump()], sort_keys=True, default=str)
    return Entry(
        workflow=row.name,
        digest=hashlib.sha256(content.encode()).hexdigest()[:32],
        schedule=schedule,
        zone=zone(name),
        since=row.updated_at,
        config=dict(job.config),
        target=cast("Mapping[str, Json]", to_data(job.target.to_target())) if job.target is not None else None,
        tags=dict(job.labels or {}),
        start_within=_within(job),
    )


def _within(job: CronJob) -> int:
    text = (job.annotations or {}).get(START_WITHIN)
    return DEFAULT_WITHIN if text is None else min(microseconds(text), MOST_WITHIN)
