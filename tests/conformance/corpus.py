"""Real documents against what must become of them: ``python -m tests.conformance.corpus [--plan-only] INDEX.json...``

Reads an index (a row a document: class, kind, name, templates, file beside it), takes each document as far as the
row's class asks, prints a line for each row that disagrees, and ``agree N of M`` last. Exit code 1 when one disagrees.
A crash is a disagreement like any other.

``invalid`` must be refused; ``plan`` must parse, resolve and plan, and its suites are run as trees whose leaves are
stubs (tests.conformance.corpus_trees); ``run`` too, and what processes can serve is run through a whole
system (tests.conformance.corpus_runs). Rows that need a container are run in the first cluster of ``KUBECONFIG``
(tests.conformance.corpus_pods) where that and ``MUSTER_TEST_IMAGE`` are given; else they are listed as waiting for one
and count neither as agreeing nor as disagreeing. ``--plan-only`` runs nothing.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conformance.corpus_pods import lacking, run_in_pods
from tests.conformance.corpus_runs import Need, need, run_all
from tests.conformance.corpus_trees import is_suite, run_trees
from tests.conformance.rows import Row, parsed, rows_of
from workflow.forecast import forecast
from workflow.model import Parsed, Workflow, WorkflowTemplate
from workflow.plan.build import build
from workflow.plan.encode import from_bytes, to_bytes
from workflow.plan.nodes import Json, Plan
from workflow.problems import InvalidDocument
from workflow.resolve import resolve


@dataclass(frozen=True, slots=True)
class World:
    """What the documents may refer to."""

    templates: Mapping[str, WorkflowTemplate]
    workflows: Mapping[str, Workflow]

    def plan(self, workflow: str, config: Mapping[str, Json]) -> Plan:
        """The plan of another document, for the tree that an ``execute`` means."""
        scalars = {key: value for key, value in config.items() if isinstance(value, bool | int | float | str)}
        return build(resolve(self.workflows[workflow], self.templates, scalars))

    def select(self, labels: Mapping[str, str]) -> Sequence[str]:
        """The documents with these labels."""
        return sorted(name for name, each in self.workflows.items() if labels.items() <= each.labels.items())


PLAN_ONLY: Final = "--plan-only"
Judge = Callable[[Row, World], str]
"""What disagrees, in words; empty when nothing does."""


def world_of(rows: Sequence[Row]) -> World:
    """All documents of the rows that can be read."""
    templates: dict[str, WorkflowTemplate] = {}
    workflows: dict[str, Workflow] = {}
    for row in rows:
        try:
            found = parsed(row)
        except InvalidDocument:
            continue
        templates |= {template.name: template for template in found.templates}
        workflows |= {workflow.name: workflow for workflow in found.workflows}
    return World(templates, workflows)


def invalid(row: Row, world: World) -> str:
    """The document must be refused, by the parser or by the resolver, in words."""
    try:
        _plans(parsed(row), world)
    except InvalidDocument as refused:
        return "" if all(p.message and p.position.file for p in refused.problems) else "refused without a reason"
    return "was accepted"


def sound(row: Row, world: World) -> str:
    """The document must parse, resolve and plan, and its tree must be told; templates that nobody has must be what is
    named, and nothing else."""
    missing = {name for name in row.templates if name.replace("/", "--") not in world.templates}
    try:
        for plan in _plans(parsed(row), world):
            if from_bytes(to_bytes(plan)) != plan:
                return "its plan does not travel"
            forecast(plan, world)
    except InvalidDocument as refused:
        named = [p for p in refused.problems if p.code == "unknown-template" and any(n in p.message for n in missing)]
        return "" if missing and len(named) == len(refused.problems) else f"was refused: {refused}"
    return f"templates {missing} are missing and were not named" if missing else ""


JUDGES: Final[Mapping[str, Judge]] = {"invalid": invalid, "plan": sound, "run": sound}


def judged(row: Row, world: World) -> str:
    """What disagrees about a row."""
    try:
        return JUDGES[row.group](row, world)
    except Exception:
        return "crashed: " + traceback.format_exc(limit=-2).replace("\n", " | ")


def main(arguments: Sequence[str]) -> int:
    """Judges the rows of the index files named."""
    rows = [row for argument in arguments if argument != PLAN_ONLY for row in rows_of(Path(argument))]
    world = world_of(rows)
    found = {row: judged(row, world) for row in rows}
    waiting = [row for row in rows if row.group == "run" and need(row) is Need.CONTAINERS and not found[row]]
    if PLAN_ONLY not in arguments:
        if not lacking():
            found |= _in_pods(waiting, rows)
            waiting = []
        sound_ones = [row for row in rows if not found[row]]
        found |= _ran([row for row in sound_ones if row.group == "run" and need(row) is Need.PROCESSES], rows)
        found |= _trees([row for row in sound_ones if is_suite(row)], rows)
    for row in waiting:
        sys.stdout.write(f"{_place(row)}: waits for a real Kubernetes: {row.tier}\n")
        del found[row]
    for row, disagreement in found.items():
        if disagreement:
            sys.stdout.write(f"{_place(row)}: {disagreement}\n")
    agreed = sum(not disagreement for disagreement in found.values())
    sys.stdout.write(f"agree {agreed} of {len(found)}\n")
    return 0 if rows and agreed == len(found) else 1


def _ran(rows: Sequence[Row], documents: Sequence[Row]) -> dict[Row, str]:
    """What disagrees once they were run."""
    return asyncio.run(run_all(rows, _templates(documents))) if rows else {}


def _in_pods(rows: Sequence[Row], documents: Sequence[Row]) -> dict[Row, str]:
    """What disagrees once they were run in a cluster."""
    return asyncio.run(run_in_pods(rows, _templates(documents))) if rows else {}


def _templates(documents: Sequence[Row]) -> list[Row]:
    return [row for row in documents if row.kind == "TestWorkflowTemplate" and row.group != "invalid"]


def _trees(rows: Sequence[Row], documents: Sequence[Row]) -> dict[Row, str]:
    """What disagrees once the suites were run as trees."""
    return asyncio.run(run_trees(rows, documents)) if rows else {}


def _place(row: Row) -> str:
    return f"{row.path.parent.name}/{row.path.name} ({row.group})"


def _plans(parsed: Parsed, world: World) -> list[Plan]:
    return [build(resolve(workflow, world.templates, {})) for workflow in parsed.workflows]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
