"""What expressions can see while an execution runs: its names, the steps' outputs, services, and how all stands.

Used by machine. Values given out are never changed afterwards: every change makes a new mapping, so that a command
keeps what was true when it was given.
"""

from __future__ import annotations

from collections.abc import Mapping

from workflow.identifiers import StepRef
from workflow.journal import MAX_OUTPUT_VALUE
from workflow.plan.nodes import Group, Json, Step
from workflow.states import StepStatus


class Scope:
    """The names of one execution, growing as it goes."""

    def __init__(self, steps: tuple[Step, ...], known: Mapping[str, Json]) -> None:
        self._known = dict(known)
        self._steps: dict[str, Json] = {}
        self._outputs: dict[str, Json] = {}
        self._services: dict[str, Json] = {}
        self._left: dict[StepRef, frozenset[str]] = {}
        self.env: Mapping[str, str] = {}
        self.secrets: Mapping[str, str] = {}
        self._declare(steps, "")

    def leave(self, ref: StepRef, owner: str, outputs: Mapping[str, str]) -> Mapping[str, str]:
        """Take what an attempt of the step left, in place of what its earlier attempt had left; the values as they
        are kept."""
        kept = {key: _bounded(value) for key, value in outputs.items()}
        before = self._left.pop(ref, frozenset())
        if kept:
            self._left[ref] = frozenset(kept)
        if not kept and not before:
            return kept
        self._outputs = {**{k: v for k, v in self._outputs.items() if k not in before}, **kept}
        if owner:
            self._steps = {**self._steps, owner: self._entry(owner, before, kept)}
        return kept

    def serve(self, services: Mapping[str, Json]) -> None:
        """These services can be reached."""
        self._services = {**self._services, **services}

    def names(self, step: Step, status: StepStatus) -> dict[str, Json]:
        """What the step's texts and its condition can use; ``status`` is how all stands before it."""
        mine: dict[str, Json] = {"results": step.results_dir} if step.results_dir else {}
        return {
            **self._known,
            **stands(status),
            "step": {**self._steps, **mine},
            "output": self._outputs,
            "services": self._services,
        }

    def afterwards(self, step: Step, status: StepStatus) -> dict[str, Json]:
        """What ``retry.until`` can use: there, ``status`` and ``self.status`` are both the step's own result."""
        return {**self.names(step, status), "self": stands(status)}

    def _entry(self, owner: str, gone: frozenset[str], kept: Mapping[str, str]) -> dict[str, Json]:
        entry = self._steps.get(owner)
        known = entry if isinstance(entry, dict) else {}
        old = known.get("outputs")
        values = {k: v for k, v in old.items() if k not in gone} if isinstance(old, dict) else {}
        return {**known, "outputs": {**values, **kept}}

    def _declare(self, steps: tuple[Step, ...], owner: str) -> None:
        for step in steps:
            name = step.id or (owner if step.hidden else "")
            if name and (step.results_dir or name not in self._steps):
                entry: dict[str, Json] = {"outputs": {}}
                if step.results_dir:
                    entry["results"] = step.results_dir
                self._steps[name] = entry
            if isinstance(step.body, Group):
                self._declare(step.body.steps, name)


def stands(status: StepStatus) -> dict[str, Json]:
    """A status and its aliases."""
    passed, failed = status is StepStatus.PASSED, not status.good
    return {
        "status": status.value,
        "passed": passed,
        "success": passed,
        "failed": failed,
        "error": failed,
        "always": True,
        "never": False,
    }


def _bounded(value: str) -> str:
    data = value.strip().encode("utf-8", "replace")
    return data[:MAX_OUTPUT_VALUE].decode("utf-8", "ignore")
