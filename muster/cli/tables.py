"""Views as tables for people. Pure: views in, rich tables out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from muster.cli.words import MARKS, STYLES, ago, duration, size
from workflow.comparison import PENDING, Cell, Comparison, Row
from workflow.comparison import Table as ComparisonTable
from workflow.rendering import row_name
from workflow.terminal import one_line
from workflow.views import AgentView, ArtifactView, DocumentView, ExecutionView, RunView

_SKEW = 500
"""Milliseconds that an agent's clock may differ before it is shown."""


def status(word: str) -> Text:
    """A status with its sign and colour."""
    return Text(f"{MARKS.get(word, '·')} {word}", style=STYLES.get(word, ""))


def text(value: str | None, style: str = "") -> Text:
    """Whatever somebody named, harmless, on one line, and never read as markup."""
    return Text(one_line(value or "", 500), style=style)


def plain(*columns: str) -> Table:
    """A table without lines, as ``kubectl get`` prints it."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def comparison_tables(comparison: Comparison, rich_lines: bool) -> list[Table]:
    """A table for each workflow that ran in more than one place, or in one."""
    return [_comparison(table, rich_lines) for table in comparison.tables]


def _comparison(table: ComparisonTable, rich_lines: bool) -> Table:
    verdicts = [column.state for column in table.columns]
    marked = table.verdicts_differ or bool(table.differences)
    drawn = Table(
        title=text(table.workflow, "bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD if rich_lines else box.ASCII2,
        header_style="bold",
    )
    drawn.add_column("step / test")
    for column in table.columns:
        drawn.add_column(text(column.title), no_wrap=True)
    if marked:
        drawn.add_column("", no_wrap=True)
    tests = [row for row in table.rows if row.kind == "test"]
    ambiguous = len({row.name for row in tests}) < len(tests)
    for rows in ([row for row in table.rows if row.kind == "step"], tests):
        for row in rows:
            drawn.add_row(_name(row, ambiguous), *(_cell(cell) for cell in row.cells), *_mark(row.differs, marked))
        if rows:
            drawn.add_section()
    drawn.add_row(
        Text("verdict", style="bold"),
        *(status(state) for state in verdicts),
        *_mark(table.verdicts_differ, marked),
    )
    return drawn


def _mark(differs: bool, shown: bool) -> list[Text]:
    """The last column, where the table has one."""
    return [Text("◄ differs", style="bold yellow") if differs else Text("")] if shown else []


def _name(row: Row, grouped: bool) -> Text:
    indent = "  " * row.depth
    if row.kind == "test":
        return text(row_name(row) if grouped else row.name, "bold" if row.differs else "")
    return Text(indent).append(text(row.name))


def _cell(cell: Cell | None) -> Text:
    if cell is None:
        return Text("—", style="dim")
    if cell.status == PENDING:
        return Text("…", style="dim")  # it goes on there, and may still tell
    return status(cell.status).append(f" {duration(cell.duration_ms)}", style="dim")


def runs_table(runs: Sequence[RunView], now: datetime) -> Table:
    """``muster get runs``."""
    table = plain("NAME", "VERDICT", "ENVIRONMENTS", "STARTED", "TOOK", "BY")
    for run in runs:
        table.add_row(
            text(run.name),
            status(run.verdict),
            text(", ".join(run.environments)),
            ago(run.created_at, now),
            duration(run.duration_ms),
            text(run.actor),
        )
    return table


def executions_table(executions: Sequence[ExecutionView]) -> Table:
    """``muster get executions``."""
    table = plain("ID", "NAME", "WHERE", "STATE", "ATTEMPT", "TOOK", "REASON")
    for execution in executions:
        table.add_row(
            text(execution.id),
            text(f"{execution.name}  {execution.description}".rstrip()),
            text(execution.where or "-"),
            status(execution.state),
            str(execution.attempt or "-"),
            duration(execution.duration_ms),
            text(execution.reason),
        )
    return table


def run_tree(run: RunView) -> Table:
    """``muster get runs NAME``: the executions of a run with their steps."""
    table = plain("EXECUTION / STEP", "WHERE", "STATE", "TOOK", "REASON")
    for execution in run.executions:
        name = text(execution.workflow, "bold").append(f"  {one_line(execution.id)}", style="dim")
        table.add_row(
            name.append(f"  {one_line(execution.description)}") if execution.description else name,
            text(execution.where or "-"),
            status(execution.state),
            duration(execution.duration_ms),
            text(execution.reason),
        )
        for step in execution.steps:
            if step.hidden and (step.status.good or "." in step.ref):
                continue  # what the planner made: the step around it says the same
            name = Text("  " * (step.depth + 1)).append(text(step.title))
            table.add_row(name, "", status(step.status), duration(step.duration_ms), text(step.reason))
    return table


def documents_table(documents: Sequence[DocumentView], now: datetime) -> Table:
    """``muster get workflows`` and ``templates``."""
    table = plain("NAME", "FILE", "LABELS", "APPLIED")
    for document in documents:
        labels = ",".join(f"{key}={value}" for key, value in document.labels.items())
        table.add_row(text(document.name), text(document.file), text(labels), ago(document.updated_at, now))
    return table


def agents_table(agents: Sequence[AgentView], now: datetime) -> Table:
    """``muster agents list``."""
    table = plain("NAME", "STATE", "LABELS", "LOAD", "EXECUTOR", "VERSION", "CLOCK", "SEEN")
    for agent in agents:
        state = "connected" if agent.connected and agent.state == "active" else agent.state
        style = "green" if agent.connected else "red" if agent.state == "revoked" else "dim"
        limit = f"/{agent.max_concurrent}" if agent.max_concurrent else ""
        table.add_row(
            text(agent.name),
            Text(state if agent.connected or agent.state != "active" else "away", style=style),
            text(",".join(f"{key}={value}" for key, value in agent.labels.items())),
            f"{agent.load}{limit}",
            text(agent.executor),
            text(agent.version),
            f"{agent.skew_ms / 1000:+.1f} s" if abs(agent.skew_ms) >= _SKEW else "",
            "now" if agent.connected else ago(agent.last_seen, now),
        )
    return table


def artifacts_table(artifacts: Sequence[ArtifactView]) -> Table:
    """``muster artifacts``."""
    table = plain("WHERE", "NAME", "SIZE", "SHA-256", "EXECUTION")
    for artifact in artifacts:
        table.add_row(
            text(artifact.where or "-"),
            text(artifact.name),
            size(artifact.size),
            text(artifact.digest.removeprefix("sha256:")[:12]),
            text(artifact.execution),
        )
    return table
