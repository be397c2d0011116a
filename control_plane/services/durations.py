"""How long tests took before: what balances shards (workflow.balance). Called by planning and submission, for
workflows that ask for it.

Read from the latest runs that passed: the times of test cases from the JUnit XML of the newest one that has any, and
the times of whole workers, from which those of their items follow. A history that cannot be had now is none: shards
are then counted out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from control_plane.ports.blobs import Blobs, BlobsUnavailable
from control_plane.ports.records import ArtifactRow, ExecutionRow, RunRow
from control_plane.ports.store import Store, Unavailable, Unit
from workflow.balance import ANNOTATION, DURATION, History, estimated, text_of, to_variables
from workflow.journal import ChildKind
from workflow.plan.nodes import Json
from workflow.reports import MAX_REPORT, NotAReport, TestStatus, looks_like_report, read_junit
from workflow.states import ExecutionState, Verdict

RUNS: Final = 10
"""Runs that are looked at."""
MAX_REPORTS: Final = 50
MAX_WORKERS: Final = 2_000
"""Workers of all those runs that are looked at."""

log = logging.getLogger("muster.durations")


@dataclass(frozen=True, slots=True)
class _Past:
    """What the store holds of earlier runs, oldest first: items and times of workers; reports of the newest run."""

    shards: Sequence[tuple[Sequence[str], int]]
    reports: Sequence[ArtifactRow]


class Durations:
    """See the module. Without blobs only the times of whole workers are known."""

    def __init__(self, store: Store, blobs: Blobs | None) -> None:
        self._store = store
        self._blobs = blobs

    async def variables(self, workflow: str, annotations: Mapping[str, str], started: str = "") -> Mapping[str, Json]:
        """What an execution of ``workflow`` is to know, in runs of ``started`` (itself, where empty). Nothing where the
        annotations do not ask for it, or nothing is known. Never fails."""
        if annotations.get(ANNOTATION) != DURATION:
            return {}
        try:
            past = await self._store.read(lambda unit: _past(unit, workflow, started or workflow))
            cases = await self._cases(past.reports)
            items = await asyncio.to_thread(estimated, past.shards)
        except (Unavailable, BlobsUnavailable) as trouble:
            log.warning("earlier durations of %s cannot be read now: %s", workflow, trouble)
            return {}
        return to_variables(History(cases, items))

    async def _cases(self, reports: Sequence[ArtifactRow]) -> dict[str, int]:
        totals: dict[str, int] = {}
        for report in reports:
            for group, duration in await self._report(report):
                totals[group] = totals.get(group, 0) + duration
        return totals

    async def _report(self, report: ArtifactRow) -> list[tuple[str, int]]:
        if self._blobs is None:
            return []
        try:
            data = b"".join([piece async for piece in self._blobs.read(report.digest)])
            cases = await asyncio.to_thread(read_junit, data)
        except (NotAReport, KeyError):
            return []
        ran = [case for case in cases if case.status is not TestStatus.SKIPPED and case.duration is not None]
        return [(case.group or case.name, case.duration or 0) for case in ran]


def _past(unit: Unit, workflow: str, started: str) -> _Past:
    shards: list[tuple[Sequence[str], int]] = []
    reports: list[ArtifactRow] = []
    passed = [run for run in unit.runs.latest(RUNS * 3, workflow=started) if run.verdict is Verdict.PASSED][:RUNS]
    for run in passed:
        family = _family(unit, run, workflow)
        if len(shards) < MAX_WORKERS:
            shards = [shard for row in family if (shard := _shard(unit, row))] + shards
        if not reports:
            found = [each for row in family for each in unit.entries.artifacts(row.id)]
            reports = [each for each in found if looks_like_report(each.name) and each.size <= MAX_REPORT][:MAX_REPORTS]
    return _Past(shards, reports)


def _family(unit: Unit, run: RunRow, workflow: str) -> list[ExecutionRow]:
    """The run's executions of this workflow, and their workers. Of copies in several places the first one."""
    family: list[ExecutionRow] = []
    inside: set[str] = set()
    for row in unit.executions.of_run(run.id):
        part = row.place is not None and row.place.kind is not ChildKind.WORKFLOW
        if (part and row.place is not None and row.place.parent in inside) or (
            not part and row.workflow == workflow and not inside
        ):
            inside.add(row.id)
            family.append(row)
    return family


def _shard(unit: Unit, row: ExecutionRow) -> tuple[list[str], int] | None:
    """The items of a worker, and its time."""
    if row.state is not ExecutionState.PASSED or row.started_at is None or row.finished_at is None:
        return None
    plan = unit.executions.plan(row.id) if row.place is not None else None
    shard = plan.variables.get("shard") if plan is not None else None
    items = (
        [text_of(item) for part in shard.values() if isinstance(part, list) for item in part]
        if isinstance(shard, dict)
        else []
    )
    return (items, row.finished_at - row.started_at) if items else None
