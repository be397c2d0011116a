"""The same workflow seen in several environments at once: rows are steps and test cases, columns are environments.

Called by control_plane.services.comparison with what executions came to; the values travel to muster.client as JSON;
rendering is workflow.rendering's business. Knows nothing of stores or files.
"""

from __future__ import annotations

from typing import Literal

from workflow.states import ExecutionState, Verdict
from workflow.views import View


class Cell(View):
    """What a row came to in one environment. ``status``: a step's, or passed, failed, error, skipped of a test."""

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
    """A step or a test case. ``cells`` stand in the columns' order; None where the environment does not have it."""

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
    def differences(self) -> tuple[Row, ...]:
        """The rows whose cells are not all equal."""
        return tuple(row for row in self.rows if row.differs)


class Comparison(View):
    """All tables of a run, in order of their first execution."""

    run: str
    verdict: Verdict
    tables: tuple[Table, ...] = ()
