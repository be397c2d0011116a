"""Documents on disk or standard input, read for the offline commands. Called by muster.cli.offline.

Whatever a file holds, reading it gives documents and problems, each with its place; never an exception, never more
than the language's limit of bytes in memory for each file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from muster.cli.documents import contents
from workflow.model import Resource, Workflow, WorkflowExecution, WorkflowTemplate, examine_documents
from workflow.plan.build import build
from workflow.plan.nodes import Json, Plan
from workflow.problems import Position, Problem, Severity, errors
from workflow.resolve import canonical_name, resolve


@dataclass
class Papers:
    """What was read. The plans of its workflows are the library of a forecast."""

    workflows: list[Workflow] = field(default_factory=list)
    templates: dict[str, WorkflowTemplate] = field(default_factory=dict)
    requests: list[WorkflowExecution] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    files: int = 0

    @property
    def documents(self) -> int:
        """How many documents could be read."""
        return len(self.workflows) + len(self.templates) + len(self.requests)

    @property
    def broken(self) -> bool:
        """Whether something in them is an error."""
        return bool(errors(self.problems))

    def workflow(self, name: str) -> Workflow:
        """A workflow by its name; LookupError with a sentence."""
        known = {canonical_name(each.name): each for each in self.workflows}
        if (found := known.get(canonical_name(name))) is not None:
            return found
        near = get_close_matches(canonical_name(name), list(known), n=1)
        hint = f": did you mean {near[0]!r}?" if near else ""
        raise LookupError(f"{name!r} is not among the files read{hint}")

    def plan(self, workflow: str, config: Mapping[str, Json]) -> Plan:
        """The plan of a workflow. LookupError, InvalidDocument, ValueError: each with a sentence."""
        scalars = {key: value for key, value in config.items() if isinstance(value, bool | int | float | str)}
        if missing := sorted(set(config) - set(scalars)):
            raise ValueError(f"the parameter {missing[0]!r} must be a text, a number or a boolean")
        return build(resolve(self.workflow(workflow), self.templates, scalars))

    def select(self, labels: Mapping[str, str]) -> Sequence[str]:
        """The names of the workflows with these labels, in order."""
        return sorted(each.name for each in self.workflows if labels.items() <= each.labels.items())

    def take(self, names: Sequence[str]) -> Papers:
        """Read these files as well. Usage where one is not there, or where they are too many."""
        firsts: dict[tuple[str, str], Position] = {}
        for document in (*self.workflows, *self.templates.values()):
            firsts[(document.kind, canonical_name(document.name))] = document.where("metadata", "name")
        for file, content in contents(names):
            self.files += 1
            if isinstance(content, Problem):
                self.problems.append(content)
                continue
            parsed = examine_documents(content, file)
            self.problems += parsed.problems
            self.workflows += parsed.workflows
            self.templates |= {canonical_name(template.name): template for template in parsed.templates}
            self.requests += parsed.executions
            for each in (*parsed.workflows, *parsed.templates):
                self.problems += _repeated(each, firsts)
        return self


def _repeated(document: Resource, firsts: dict[tuple[str, str], Position]) -> list[Problem]:
    """A document of the same kind and name in an earlier file: the one applied last wins, which nobody means."""
    at = document.where("metadata", "name")
    first = firsts.setdefault((document.kind, canonical_name(document.name)), at)
    if first.file == at.file:
        return []  # within a file the parser says so
    message = f"{document.kind} {document.name!r} is defined in {first} too; the one applied last wins"
    return [Problem("duplicate-document", message, at, Severity.WARNING, path=("metadata", "name"))]
