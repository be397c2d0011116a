"""The same workflow in several environments: gathers what workflow.comparison compares.

Called by control_plane.web and services.explanations. Which executions stand side by side: those of the same workflow
within a run that an agent conducts and that are no worker or service. Test cases come from the JUnit XML among their
artifacts and those of their workers.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from control_plane.ports.blobs import BlobsUnavailable
from control_plane.services.artifacts import Artifacts
from control_plane.services.queries import Queries
from workflow.comparison import Comparison, Sighting, compared
from workflow.journal import ChildKind
from workflow.reports import MAX_REPORT, NotAReport, TestCase, looks_like_report, read_junit
from workflow.views import ArtifactView, ExecutionView, RunView

MAX_REPORTS: Final = 200
"""Reports of one execution (with its workers) that are read."""
MAX_KEPT: Final = 100_000
"""Test cases that are kept parsed, over all reports."""


class Comparisons:
    """See the module."""

    def __init__(self, queries: Queries, artifacts: Artifacts) -> None:
        self._queries = queries
        self._artifacts = artifacts
        self._kept: OrderedDict[str, tuple[TestCase, ...]] = OrderedDict()  # by digest
        self._room = MAX_KEPT

    async def of_run(self, run: RunView) -> Comparison:
        """The comparison of a run that Queries.run told, with its executions."""
        artifacts = await self._queries.artifacts(run.id) or ()
        sightings = [
            Sighting(execution, await self._cases(execution, run.executions, artifacts))
            for execution in side_by_side(run.executions)
        ]
        return compared(run.name, run.verdict, sightings)

    async def _cases(
        self, execution: ExecutionView, all_of_run: Sequence[ExecutionView], artifacts: Sequence[ArtifactView]
    ) -> tuple[TestCase, ...]:
        family = _with_workers(execution, all_of_run)
        reports = [one for one in artifacts if one.execution in family and looks_like_report(one.name)]
        cases: list[TestCase] = []
        for report in reports[:MAX_REPORTS]:
            cases += await self._report(report)
        return tuple(cases)

    async def _report(self, report: ArtifactView) -> tuple[TestCase, ...]:
        known = self._kept.get(report.digest)
        if known is not None:
            self._kept.move_to_end(report.digest)
            return known
        if report.size > MAX_REPORT:
            return ()
        try:
            data = b"".join([piece async for piece in self._artifacts.read(report.digest)])
            cases = await asyncio.to_thread(read_junit, data)
        except NotAReport:
            cases = ()
        except (KeyError, BlobsUnavailable):
            return ()
        self._keep(report.digest, cases)
        return cases

    def _keep(self, digest: str, cases: tuple[TestCase, ...]) -> None:
        self._kept[digest] = cases
        self._room -= len(cases) + 1
        while self._room < 0:
            _, dropped = self._kept.popitem(last=False)
            self._room += len(dropped) + 1


def side_by_side(executions: Sequence[ExecutionView]) -> tuple[ExecutionView, ...]:
    """Those that are columns; where there is none, the roots, so that a run that never got so far is shown."""
    columns = tuple(one for one in executions if not one.orchestrated and not _is_part(one))
    return columns or tuple(one for one in executions if one.place is None)


def _is_part(execution: ExecutionView) -> bool:
    return execution.place is not None and execution.place.kind is not ChildKind.WORKFLOW


def _with_workers(execution: ExecutionView, executions: Sequence[ExecutionView]) -> set[str]:
    """The ids of an execution, its workers and services, and theirs. Parents come before their children."""
    family = {execution.id}
    for one in executions:
        if one.place is not None and _is_part(one) and one.place.parent in family:
            family.add(one.id)
    return family
