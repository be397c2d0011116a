"""The same workflow seen in several environments at once: rows are steps and test cases, columns are environments.

Called by control_plane.services.comparison with what executions came to; the values travel to muster.client as JSON;
rendering is workflow.rendering's business. Knows nothing of stores or files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from workflow.reports import TestCase, TestStatus
from workflow.states import ExecutionState, StepStatus, Verdict
from workflow.views import ExecutionView, StepView, View

Key = tuple[str, ...]


PENDING: Final = "pending"
"""The status of a cell of which an environment that is not finished may still tell."""


class Cell(View):
    """What a row came to in one environment. ``status``: a step's, or passed, failed, error, skipped of a test, or
    PENDING."""

    status: str
    duration_ms: float | None = None
    message: str = ""


class Column(View):
    """One execution. ``title`` is its environment, else its agent, made unique within the table."""

    title: str
    execution: str
    state: ExecutionState
    agent: str | None = None
    environment: str | None = None
    reason: str = ""


class Row(View):
    """A step or a test case. ``cells`` stand in the columns' order; None where the environment does not have it.

    ``differs`` where what is settled is not all equal: what is still open in one environment is no difference yet.
    """

    kind: Literal["step", "test"]
    name: str
    group: str = ""  # a test's suite; a step's enclosing steps, " / " between
    depth: int = 0
    cells: tuple[Cell | None, ...]
    differs: bool = False


class Table(View):
    """One workflow in every environment in which the run had it."""

    workflow: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def verdicts_differ(self) -> bool:
        """Whether executions that are over came to different ends."""
        return len({column.state for column in self.columns if column.state.final}) > 1

    @property
    def differences(self) -> tuple[Row, ...]:
        """The rows that differ."""
        return tuple(row for row in self.rows if row.differs)


class Comparison(View):
    """All tables of a run, in order of their first execution."""

    run: str
    verdict: Verdict
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """One execution of a workflow, with the test cases of its reports (those of its workers among them)."""

    execution: ExecutionView
    cases: tuple[TestCase, ...] = ()


def compared(run: str, verdict: Verdict, sightings: Sequence[Sighting]) -> Comparison:
    """A table for each workflow, a column for each of its executions."""
    workflows = dict.fromkeys(sighting.execution.workflow for sighting in sightings)
    tables = [
        tabled(workflow, [sighting for sighting in sightings if sighting.execution.workflow == workflow])
        for workflow in workflows
    ]
    return Comparison(run=run, verdict=verdict, tables=tuple(tables))


def tabled(workflow: str, sightings: Sequence[Sighting]) -> Table:
    """One workflow's table: its steps in the plan's order, then its test cases in the reports' order."""
    steps = [_steps(sighting.execution.steps) for sighting in sightings]
    tests = [_tests(sighting.cases) for sighting in sightings]
    shown = {key for column in steps for key, line in column.items() if line.speaks}
    over = [sighting.execution.state.final for sighting in sightings]
    return Table(
        workflow=workflow,
        columns=_columns([sighting.execution for sighting in sightings]),
        rows=(
            *_rows("step", [{key: line for key, line in column.items() if key in shown} for column in steps], over),
            *_rows("test", tests, over),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """One column's part of a row. ``speaks`` is False for what the planner made and what went well."""

    name: str
    group: str
    depth: int
    cell: Cell
    speaks: bool = True


def _columns(executions: Sequence[ExecutionView]) -> tuple[Column, ...]:
    taken: dict[str, int] = {}
    columns = []
    for execution in executions:
        where = execution.where or "nowhere yet"
        taken[where] = taken.get(where, 0) + 1
        columns.append(
            Column(
                title=where if taken[where] == 1 else f"{where} #{taken[where]}",
                execution=execution.id,
                state=execution.state,
                agent=execution.agent,
                environment=execution.environment,
                reason=execution.reason,
            )
        )
    return tuple(columns)


def _steps(steps: Iterable[StepView]) -> dict[Key, _Line]:
    """Steps by the names on the way to them: a step keeps its row where an earlier one was left out of the plan.

    What the planner made inside a step is told with that step.
    """
    keys: dict[str, Key] = {"": ()}
    titles: dict[str, tuple[str, ...]] = {"": ()}
    lines: dict[Key, _Line] = {}
    for step in steps:
        parent = step.ref.rpartition(".")[0]
        above, over = keys.get(parent, ()), titles.get(parent, ())
        key = _free((*above, step.id or step.name or f"<{step.kind}>"), lines)
        keys[step.ref], titles[step.ref] = key, (*over, step.title)
        speaks = not step.hidden or (_is_bad(step) and not above)
        lines[key] = _Line(step.title, " / ".join(over), step.depth, _step_cell(step), speaks)
        if step.hidden and _is_bad(step) and above in lines:
            lines[above] = _with_reason(lines[above], lines[key].cell.message)
    return lines


def _step_cell(step: StepView) -> Cell:
    code = f"exit code {step.exit_code}" if step.exit_code else ""
    message = (step.reason or code) if _is_bad(step) else step.reason
    return Cell(status=step.status, duration_ms=step.duration_ms, message=message)


def _is_bad(step: StepView) -> bool:
    return step.status.final and not step.status.good


def _with_reason(line: _Line, reason: str) -> _Line:
    """A step that says nothing itself says what a part of it says."""
    return line if line.cell.message else replace(line, cell=line.cell.model_copy(update={"message": reason}))


_OPEN: Final = frozenset({PENDING, *(status.value for status in StepStatus if not status.final)})

_WORST: Final = (TestStatus.ERROR, TestStatus.FAILED, TestStatus.PASSED, TestStatus.SKIPPED)


def _tests(cases: Iterable[TestCase]) -> dict[Key, _Line]:
    """Test cases by class and name; of what was reported several times (shards, repetitions) the worst counts."""
    lines: dict[Key, _Line] = {}
    ranks: dict[Key, int] = {}
    for case in cases:
        key, rank = (case.group, case.name), _WORST.index(case.status)
        if rank < ranks.get(key, len(_WORST)):
            duration = None if case.duration is None else case.duration / 1000
            cell = Cell(status=case.status, duration_ms=duration, message=case.message)
            lines[key], ranks[key] = _Line(case.name, case.group, 0, cell), rank
    return lines


def _rows(kind: Literal["step", "test"], columns: Sequence[dict[Key, _Line]], over: Sequence[bool]) -> list[Row]:
    """``over``: of each column, whether its execution is."""
    rows = []
    for key in _merged([list(column) for column in columns]):
        lines = [column.get(key) for column in columns]
        first = next(line for line in lines if line)
        cells = tuple(line.cell if line else _missing(ended) for line, ended in zip(lines, over, strict=True))
        settled = {
            cell.status if cell else None for cell, ended in zip(cells, over, strict=True) if ended or _settled(cell)
        }
        differs = len(settled) > 1
        rows.append(Row(kind=kind, name=first.name, group=first.group, depth=first.depth, cells=cells, differs=differs))
    return rows


def _missing(ended: bool) -> Cell | None:
    return None if ended else Cell(status=PENDING)


def _settled(cell: Cell | None) -> bool:
    """Whether nothing more can come of it, though its execution goes on. A test that was reported has ended."""
    return cell is not None and cell.status not in _OPEN


def _merged(orders: Sequence[Sequence[Key]]) -> list[Key]:
    """All keys once, each after the one that it follows where it was first seen."""
    merged: dict[Key, Key | None] = {}
    followers: dict[Key | None, list[Key]] = {}
    for order in orders:
        previous: Key | None = None
        for key in order:
            if key not in merged:
                merged[key] = previous
                followers.setdefault(previous, []).insert(0, key)
            previous = key
    result: list[Key] = []
    stack = followers.get(None, [])[::-1]
    while stack:
        key = stack.pop()
        result.append(key)
        stack.extend(followers.get(key, [])[::-1])
    return result


def _free(key: Key, taken: dict[Key, _Line]) -> Key:
    """``key``, counted up where a sibling has it already."""
    number, free = 1, key
    while free in taken:
        number += 1
        free = (*key[:-1], f"{key[-1]}#{number}")
    return free
