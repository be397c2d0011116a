"""What a scenario's ``expected.yaml`` says, and whether a finished run is so. README.md explains the fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from workflow.comparison import Comparison
from workflow.states import ExecutionState, Verdict
from workflow.views import ExecutionView, RunView


@dataclass(frozen=True)
class Expected:
    """One ``expected.yaml``. Unknown fields are a TypeError: a misspelt expectation must not pass."""

    verdict: Verdict
    run: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] | None = None
    needs: list[str] = field(default_factory=list)
    steps: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    not_in_log: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    executions: int | None = None
    agents: dict[str, list[str]] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    compare: dict[str, list[str]] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)
    never_together: str | None = None
    numbered_lines: dict[str, Any] | None = None
    within: float = 60


@dataclass(frozen=True)
class Seen:
    """What came of the run."""

    run: RunView
    log: str
    artifacts: dict[str, str]
    comparison: Comparison
    why: str


def differences(expected: Expected, seen: Seen) -> list[str]:
    """Every way in which what was seen is not what was expected."""
    return [*_of_state(expected, seen), *_of_texts(expected, seen), *_of_places(expected, seen)]


def _of_state(expected: Expected, seen: Seen) -> list[str]:
    found = []
    if seen.run.verdict != expected.verdict:
        found.append(f"verdict is {seen.run.verdict}, not {expected.verdict}")
    still = [execution.id for execution in seen.run.executions if not execution.state.final]
    if still:
        found.append(f"the run is over, yet these are open: {still}")
    if expected.executions is not None and len(seen.run.executions) != expected.executions:
        found.append(f"{len(seen.run.executions)} executions, not {expected.executions}")
    main = [execution for execution in seen.run.executions if execution.place is None]
    states = {step.title: step.status for execution in main for step in execution.steps}
    for name, status in expected.steps.items():
        if states.get(name) != status:
            found.append(f"step {name!r} is {states.get(name)}, not {status}")
    return found


def _of_texts(expected: Expected, seen: Seen) -> list[str]:
    found = [f"not printed: {text!r}" for text in expected.log if text not in seen.log]
    found += [f"printed: {text!r}" for text in expected.not_in_log if text in seen.log]
    found += [
        f"{text!r} printed {n} times, not {count}"
        for text, count in expected.counts.items()
        if (n := seen.log.count(text)) != count
    ]
    found += [f"the explanation does not say {text!r}: {seen.why}" for text in expected.why if text not in seen.why]
    for name, content in expected.artifacts.items():
        if seen.artifacts.get(name) != content:
            found.append(f"artifact {name} is {seen.artifacts.get(name)!r}, not {content!r}")
    if expected.artifacts and set(seen.artifacts) != set(expected.artifacts):
        found.append(f"artifacts are {sorted(seen.artifacts)}, not {sorted(expected.artifacts)}")
    if expected.numbered_lines:
        wanted = [str(number) for number in range(1, int(expected.numbered_lines["last"]) + 1)]
        lines = [line for line in seen.log.splitlines() if line.isdigit()]
        if lines != wanted:
            found.append(f"{len(lines)} numbered lines, not {len(wanted)} in order")
    return found


def _of_places(expected: Expected, seen: Seen) -> list[str]:
    found = []
    for workflow, agents in expected.agents.items():
        ran = sorted(execution.agent or "-" for execution in seen.run.executions if execution.workflow == workflow)
        if ran != agents:
            found.append(f"{workflow} ran on {ran}, not {agents}")
    if expected.compare:
        table = seen.comparison.tables[0]
        if sorted(column.title for column in table.columns) != expected.compare["columns"]:
            found.append(f"compared were {[column.title for column in table.columns]}")
        if [row.name for row in table.differences] != expected.compare["differs"]:
            found.append(f"differences in {[row.name for row in table.differences]}")
    if expected.never_together:
        found += _together(
            [execution for execution in seen.run.executions if execution.workflow == expected.never_together]
        )
    return found


def _together(executions: list[ExecutionView]) -> list[str]:
    ran = sorted((e for e in executions if e.state is not ExecutionState.CANCELED), key=lambda e: str(e.started_at))
    return [
        f"{before.id} and {after.id} ran at the same time"
        for before, after in pairwise(ran)
        if before.finished_at is None or after.started_at is None or after.started_at < before.finished_at
    ]
