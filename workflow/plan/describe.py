"""A plan as a flat list that a person reads: ``muster plan`` and the web."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workflow.identifiers import StepRef
from workflow.plan import nodes
from workflow.plan.nodes import Group, Operation, Plan, Step


@dataclass(frozen=True, slots=True)
class Line:
    """One step as a person reads it. ``depth`` counts from 0; ``kind`` is ``run``, ``clone``, ``group``, ..."""

    ref: StepRef
    name: str
    kind: str
    depth: int
    condition: str
    id: str = ""
    optional: bool = False
    hidden: bool = False


def describe(plan: Plan) -> tuple[Line, ...]:
    """Every step of the plan in order, groups before their children. Workers of parallel steps are not opened."""
    found: list[Line] = []

    def tell(steps: tuple[Step, ...], depth: int) -> None:
        for step in steps:
            kind = KINDS[type(step.body)]
            name = step.name or step.id or kind
            found.append(Line(step.ref, name, kind, depth, step.condition, step.id, step.optional, step.hidden))
            if isinstance(step.body, Group):
                tell(step.body.steps, depth + 1)

    tell(plan.steps, 0)
    return tuple(found)


KINDS: Mapping[type[Group | Operation], str] = {
    nodes.Group: "group",
    nodes.Run: "run",
    nodes.Delay: "delay",
    nodes.WriteFiles: "files",
    nodes.Clone: "clone",
    nodes.FetchTarball: "tarball",
    nodes.SaveArtifacts: "artifacts",
    nodes.Execute: "execute",
    nodes.Parallel: "parallel",
    nodes.StartServices: "services",
    nodes.StopServices: "stop services",
    nodes.OfferFiles: "offer files",
}
"""What each operation is called."""
