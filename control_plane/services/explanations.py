"""Why a run or an execution waits, or why it ended so, in a few sentences: ``muster why``.

Called by control_plane.web. Speaks of the first thing that went wrong, not of all that followed from it. Everything
that a workflow or a step named is put on one harmless line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from control_plane.ports.journals import JournalLog, Position
from control_plane.services.comparison import Comparisons
from control_plane.services.queries import Queries
from workflow.comparison import Cell, Comparison, Row, Table
from workflow.identifiers import ExecutionId
from workflow.journal import Output, StepFinished
from workflow.session import MAX_NOTE
from workflow.states import ExecutionState, StepStatus, Verdict
from workflow.terminal import neutralised, one_line
from workflow.views import ExecutionView, Explanation, RunView, StepView

MAX_SENTENCES: Final = 12
MAX_NOTES: Final = 40
MAX_GIST: Final = 160
"""Characters of a test's message in a sentence."""
TAIL_LINES: Final = 15
TAIL_BYTES: Final = 64 * 1024
"""Bytes of a step's last output that are looked at."""
TAIL_RECORDS: Final = 40
"""Journal records before a step's end that are looked at."""

_BAD_TESTS: Final = frozenset({"failed", "error"})


class Explanations:
    """See the module."""

    def __init__(self, queries: Queries, comparisons: Comparisons, journals: JournalLog) -> None:
        self._queries = queries
        self._comparisons = comparisons
        self._journals = journals

    async def of_run(self, run: RunView) -> Explanation:
        """Why a run (with its executions) waits, or ended so."""
        if run.verdict is Verdict.PENDING:
            return Explanation(subject=run.name, sentences=_waiting(run), notes=_notes(_open_leaves(run)))
        culprit = first_culprit(run.executions)
        if culprit is None:
            return Explanation(subject=run.name, sentences=(_ended(run),))
        return await self._blamed(run, run.name, (_ended(run),), culprit)

    async def of_execution(self, execution: ExecutionView) -> Explanation:
        """The same of one execution (with its steps)."""
        if not execution.state.final:
            return Explanation(subject=execution.name, sentences=(state_of(execution),), notes=_notes([execution]))
        run = await self._queries.run(execution.run)
        if run is None or execution.state is ExecutionState.PASSED:
            return Explanation(subject=execution.name, sentences=(f"{_named(execution)} {execution.state.value}.",))
        culprit = first_culprit(_below(execution, run.executions)) or execution
        lead = () if culprit.id == execution.id else (f"{_named(execution)} {_outcome(execution)}.",)
        return await self._blamed(run, execution.name, lead, culprit)

    async def _blamed(self, run: RunView, subject: str, lead: tuple[str, ...], culprit: ExecutionView) -> Explanation:
        step = first_bad_step(culprit.steps)
        comparison = await self._comparisons.of_run(run)
        sentences = [*lead, _blame(culprit, step)]
        if step is not None:
            sentences += _elsewhere(comparison, culprit, step)
        sentences += _tests(comparison, culprit)
        tail = await self._tail(culprit, step) if step is not None else ()
        return Explanation(
            subject=subject, sentences=tuple(sentences[:MAX_SENTENCES]), notes=_notes([culprit]), tail=tail
        )

    async def _tail(self, execution: ExecutionView, step: StepView) -> tuple[str, ...]:
        """The last lines that the step printed."""
        end = await self._queries.end_of_step(execution.id, execution.attempt, step.ref)
        if end is None:
            return ()
        after = Position(execution.attempt, max(end - TAIL_RECORDS, 0))
        data = b""
        while records := await self._journals.read(ExecutionId(execution.id), after):
            for stored in records:
                entry = stored.record.entry
                if isinstance(entry, Output) and entry.ref == step.ref:
                    data = (data + entry.data)[-TAIL_BYTES:]
                if isinstance(entry, StepFinished) and stored.position.seq >= end:
                    return _last_lines(data)
            after = records[-1].position
        return _last_lines(data)


def first_culprit(executions: Sequence[ExecutionView]) -> ExecutionView | None:
    """The execution that went wrong first and by itself: none of its children did before it. A canceled one is blamed
    only where nothing else went wrong: a service whose step failed, a worker beside one that did, are canceled too."""
    bad = [one for one in executions if one.state.final and one.state is not ExecutionState.PASSED]
    bad = [one for one in bad if one.state is not ExecutionState.CANCELED] or bad
    parents = {one.place.parent for one in bad if one.place is not None}
    leaves = [one for one in bad if one.id not in parents]
    return min(leaves, key=lambda one: (one.finished_at is None, one.finished_at), default=None)


def first_bad_step(steps: Sequence[StepView]) -> StepView | None:
    """The first step that went wrong and counts, as deep inside its groups as can be."""
    bad = [step for step in steps if step.status.final and not step.status.good]
    groups = {step.ref.rpartition(".")[0] for step in bad}
    leaves = [step for step in bad if step.ref not in groups and not step.optional]
    return min(leaves, key=lambda step: (step.finished_at is None, step.finished_at), default=None)


def state_of(execution: ExecutionView) -> str:
    """One sentence on an execution that is open."""
    name, reason = _named(execution), one_line(execution.reason, 500)
    match execution.state:
        case ExecutionState.QUEUED:
            return f"{name} {reason or 'waits for an agent'}."
        case ExecutionState.ASSIGNED:
            return f"{name} was offered to {execution.agent}, which has not begun yet."
        case ExecutionState.PAUSED:
            return f"{name} is paused{_at(execution)}."
        case ExecutionState.STOPPING:
            return f"{name} is being stopped{': ' + reason if reason else ''}."
        case _:
            return f"{name} is running{_at(execution)}."


def _at(execution: ExecutionView) -> str:
    active = [step for step in execution.steps if step.status in {StepStatus.RUNNING, StepStatus.PAUSED}]
    where = f" on {execution.agent}" if execution.agent else ""
    return where + (f", at step {_quoted(active[-1])}" if active else "")


def _waiting(run: RunView) -> tuple[str, ...]:
    """What the open executions do; of those that only wait for their children nothing."""
    leaves = _open_leaves(run)
    sentences = [state_of(one) for one in leaves[: MAX_SENTENCES - 1]]
    if len(leaves) > len(sentences):
        sentences.append(f"{len(leaves) - len(sentences)} more are open.")
    return tuple(sentences) or (f"{run.name} is about to end.",)


def _open_leaves(run: RunView) -> list[ExecutionView]:
    open_ones = [one for one in run.executions if not one.state.final]
    parents = {one.place.parent for one in open_ones if one.place is not None}
    leaves = [one for one in open_ones if one.id not in parents]
    return sorted(leaves, key=lambda one: one.state is not ExecutionState.QUEUED)


def _notes(executions: Sequence[ExecutionView]) -> tuple[str, ...]:
    """What the clusters said of their pods; of several each with its name."""
    noted = [one for one in executions if one.notes]
    several = len(noted) > 1
    notes = [
        f"{_named(one)}: {one_line(note, MAX_NOTE)}" if several else one_line(note, MAX_NOTE)
        for one in noted
        for note in one.notes
    ]
    return tuple(notes[:MAX_NOTES])


def _ended(run: RunView) -> str:
    where = f" in {_listed(run.environments)}" if run.verdict is Verdict.PASSED and run.environments else ""
    return f"{run.name} {_WORDS[run.verdict]}{where}."


_WORDS: Final = {
    Verdict.PENDING: "is open",
    Verdict.PASSED: "passed",
    Verdict.FAILED: "failed",
    Verdict.ABORTED: "was aborted",
    Verdict.CANCELED: "was canceled",
}


def _outcome(execution: ExecutionView) -> str:
    said = {ExecutionState.ABORTED: "was aborted", ExecutionState.CANCELED: "was canceled"}
    return said.get(execution.state, execution.state.value)


def _blame(execution: ExecutionView, step: StepView | None) -> str:
    reason = one_line(execution.reason, 500)
    told = f"{_named(execution)} {_outcome(execution)}"
    if step is None:
        return f"{told}: {reason}." if reason else f"{told}."
    why = one_line(step.reason, 500) or (f"exit code {step.exit_code}" if step.exit_code is not None else "")
    how = "timed out" if step.status is StepStatus.TIMEOUT else step.status.value
    sentence = f"{told}: step '{' / '.join(_path(execution, step))}' {how}{' (' + why + ')' if why else ''}"
    own = reason if execution.state is not ExecutionState.FAILED and reason and reason != why else ""
    return f"{sentence}; {own}." if own else f"{sentence}."


def _elsewhere(comparison: Comparison, culprit: ExecutionView, step: StepView) -> list[str]:
    """Where the same step passed."""
    table, _ = _column(comparison, culprit)
    if table is None:
        return []
    *groups, name = _titles(culprit, step)
    group = " / ".join(groups)
    rows = [row for row in table.rows if row.kind == "step" and (row.group, row.name) == (group, name)]
    passed = _passed(table, rows[0]) if len(rows) == 1 else []
    return [f"The same step passed in {_listed(passed)}."] if passed else []


def _tests(comparison: Comparison, culprit: ExecutionView) -> list[str]:
    """The failed test cases of the culprit, those that passed elsewhere first."""
    table, column = _column(comparison, culprit)
    if table is None:
        return []
    bad = [(row, cell) for row in table.rows if row.kind == "test" and (cell := row.cells[column]) and _is_bad(cell)]
    bad.sort(key=lambda found: not _passed(table, found[0]))
    sentences = [_test(table, column, row, cell) for row, cell in bad[:5]]
    return sentences + ([f"{len(bad) - 5} more tests failed there."] if len(bad) > 5 else [])


def _test(table: Table, column: int, row: Row, cell: Cell) -> str:
    name = one_line(f"{row.group} :: {row.name}" if row.group else row.name)
    message = _gist(cell.message)
    passed = _passed(table, row)
    contrast = f"; it passed in {_listed(passed)}" if passed else ""
    return f"Test {name} failed in {table.columns[column].title}{': ' + message if message else ''}{contrast}."


def _gist(message: str) -> str:
    """The first line that says anything, short enough for a sentence; the whole message is in the report."""
    first = next((line for line in message.splitlines() if line.strip()), "")
    return one_line(first.strip(), MAX_GIST).rstrip(" .:")


def _is_bad(cell: Cell) -> bool:
    return cell.status in _BAD_TESTS


def _column(comparison: Comparison, execution: ExecutionView) -> tuple[Table | None, int]:
    for table in comparison.tables:
        for number, column in enumerate(table.columns):
            if column.execution == execution.id:
                return table, number
    return None, 0


def _passed(table: Table, row: Row) -> list[str]:
    pairs = zip(table.columns, row.cells, strict=True)
    return [one_line(column.title) for column, cell in pairs if cell and cell.status == "passed"]


def _below(execution: ExecutionView, executions: Sequence[ExecutionView]) -> tuple[ExecutionView, ...]:
    """The execution and all that descend from it. Parents come before their children."""
    family = {execution.id: execution}
    for one in executions:
        if one.place is not None and one.place.parent in family:
            family[one.id] = one
    return tuple(family.values())


def _named(execution: ExecutionView) -> str:
    where = execution.where
    agent = f" ({execution.agent})" if execution.agent and execution.agent != where else ""
    return f"{one_line(execution.name)} in {one_line(where)}{agent}" if where else one_line(execution.name)


def _titles(execution: ExecutionView, step: StepView) -> list[str]:
    """What the step and the groups around it are called, outermost first; of what the planner made the step it is
    for."""
    around = [one for one in execution.steps if f"{step.ref}.".startswith(f"{one.ref}.")]
    return [one.title for one in around if not one.hidden] or [step.title]


def _path(execution: ExecutionView, step: StepView) -> list[str]:
    return [one_line(title) for title in _titles(execution, step)]


def _quoted(step: StepView) -> str:
    return f"'{one_line(step.title)}'"


def _listed(names: Sequence[str]) -> str:
    clean = [one_line(name) for name in names]
    return clean[0] if len(clean) == 1 else f"{', '.join(clean[:-1])} and {clean[-1]}"


def _last_lines(data: bytes) -> tuple[str, ...]:
    lines = neutralised(data.decode("utf-8", "replace")).rstrip().split("\n")
    return tuple(line[:500] for line in lines[-TAIL_LINES:])
