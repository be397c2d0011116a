"""Real documents against what must become of them: ``python -m tests.conformance.corpus INDEX.json...``

Reads an index (a row a document: class, kind, name, templates, file beside it), takes each document as far as the
row's class asks, prints a line for each row that disagrees, and ``agree N of M`` last. Exit code 1 when one disagrees.
A crash is a disagreement like any other.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workflow.forecast import forecast
from workflow.model import Parsed, Workflow, WorkflowTemplate, parse_documents
from workflow.plan.build import build
from workflow.plan.encode import from_bytes, to_bytes
from workflow.plan.nodes import Json, Plan
from workflow.problems import InvalidDocument
from workflow.resolve import resolve


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the index, and the folder that its file is in."""

    name: str
    kind: str
    group: str
    templates: tuple[str, ...]
    path: Path


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


Judge = Callable[[Row, World], str]
"""What disagrees, in words; empty when nothing does."""


def rows_of(index: Path) -> list[Row]:
    """The rows of an index file."""
    return [_row(row, index.parent) for row in json.loads(index.read_text())]


def _row(row: Mapping[str, Any], folder: Path) -> Row:
    name = row["name"] or row["file"]
    return Row(name, row["kind"], row["class"], tuple(row["templates"] or ()), folder / row["file"])


def world_of(rows: Sequence[Row]) -> World:
    """All documents of the rows that can be read."""
    templates: dict[str, WorkflowTemplate] = {}
    workflows: dict[str, Workflow] = {}
    for row in rows:
        try:
            parsed = _parse(row)
        except InvalidDocument:
            continue
        templates |= {template.name: template for template in parsed.templates}
        workflows |= {workflow.name: workflow for workflow in parsed.workflows}
    return World(templates, workflows)


def invalid(row: Row, world: World) -> str:
    """The document must be refused, by the parser or by the resolver, in words."""
    try:
        _plans(_parse(row), world)
    except InvalidDocument as refused:
        return "" if all(p.message and p.position.file for p in refused.problems) else "refused without a reason"
    return "was accepted"


def sound(row: Row, world: World) -> str:
    """The document must parse, resolve and plan, and its tree must be told; templates that nobody has must be what is
    named, and nothing else."""
    missing = {name for name in row.templates if name.replace("/", "--") not in world.templates}
    try:
        for plan in _plans(_parse(row), world):
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
    rows = [row for argument in arguments for row in rows_of(Path(argument))]
    world = world_of(rows)
    agreed = 0
    for row in rows:
        disagreement = judged(row, world)
        agreed += not disagreement
        if disagreement:
            sys.stdout.write(f"{row.path.parent.name}/{row.path.name} ({row.group}): {disagreement}\n")
    sys.stdout.write(f"agree {agreed} of {len(rows)}\n")
    return 0 if rows and agreed == len(rows) else 1


def _parse(row: Row) -> Parsed:
    return parse_documents(row.path.read_bytes(), row.path.name)


def _plans(parsed: Parsed, world: World) -> list[Plan]:
    return [build(resolve(workflow, world.templates, {})) for workflow in parsed.workflows]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
