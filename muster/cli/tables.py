"""Views as tables for people. Pure: views in, rich tables out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from muster.cli.words import MARKS, STYLES, ago, duration, size
from workflow.comparison import Cell, Comparison, Row
from workflow.comparison import Table as ComparisonTable
from workflow.terminal import one_line
from workflow.views import AgentView, ArtifactView, DocumentView, ExecutionView, RunView


def status(text: str) -> Text:
    """A status with its sign and colour."""
    return Text(f"{MARKS.get(text, '·')} {text}", style=STYLES.get(text, ""))


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
    drawn = Table(
        title=Text(table.workflow, style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD if rich_lines else box.ASCII2,
        header_style="bold",
    )
    drawn.add_column("step / test")
    for column in table.columns:
        drawn.add_column(Text(one_line(column.title)))
    drawn.add_column("")
    for row in table.rows:
        mark = Text("◄ differs", style="bold yellow") if row.differs else Text("")
        drawn.add_row(_name(row), *(_cell(cell) for cell in row.cells), mark)
    drawn.add_section()
    verdicts = [column.state for column in table.columns]
    drawn.add_row(
        Text("verdict", style="bold"),
        *(status(state) for state in verdicts),
        Text("◄ differs", style="bold yellow") if len(set(verdicts)) > 1 else Text(""),
    )
    return drawn


def _name(row: Row) -> Text:
    indent = "  " * row.depth
    if row.kind == "test":
        return Text(f"{indent}  {one_line(row.name)}", style="dim" if not row.differs else "")
    return Text(f"{indent}{one_line(row.name)}")


def _cell(cell: Cell | None) -> Text:
    if cell is None:
        return Text("—", style="dim")
    return status(cell.status).append(f" {duration(cell.duration_ms)}", style="dim")


def runs_table(runs: Sequence[RunView], now: datetime) -> Table:
    """``muster get runs``."""
    table = plain("NAME", "VERDICT", "ENVIRONMENTS", "STARTED", "TOOK", "BY")
    for run in runs:
        table.add_row(
            run.name,
            status(run.verdict),
            ", ".join(run.environments),
            ago(run.created_at, now),
            duration(run.duration_ms),
            run.actor,
        )
    return table


def executions_table(executions: Sequence[ExecutionView]) -> Table:
    """``muster get executions``."""
    table = plain("ID", "WORKFLOW", "WHERE", "STATE", "ATTEMPT", "TOOK", "REASON")
    for execution in executions:
        table.add_row(
            execution.id,
            execution.workflow,
            execution.where or "-",
            status(execution.state),
            str(execution.attempt or "-"),
            duration(execution.duration_ms),
            execution.reason,
        )
    return table


def run_tree(run: RunView) -> Table:
    """``muster get runs NAME``: the executions of a run with their steps."""
    table = plain("EXECUTION / STEP", "WHERE", "STATE", "TOOK", "REASON")
    for execution in run.executions:
        table.add_row(
            Text(execution.workflow, style="bold").append(f"  {execution.id}", style="dim"),
            execution.where or "-",
            status(execution.state),
            duration(execution.duration_ms),
            execution.reason,
        )
        for step in execution.steps:
            if step.hidden and step.status.good:
                continue
            table.add_row(
                "  " * (step.depth + 1) + step.title, "", status(step.status), duration(step.duration_ms), step.reason
            )
    return table


def documents_table(documents: Sequence[DocumentView], now: datetime) -> Table:
    """``muster get workflows`` and ``templates``."""
    table = plain("NAME", "FILE", "LABELS", "APPLIED")
    for document in documents:
        labels = ",".join(f"{key}={value}" for key, value in document.labels.items())
        table.add_row(document.name, document.file, labels, ago(document.updated_at, now))
    return table


def agents_table(agents: Sequence[AgentView], now: datetime) -> Table:
    """``muster agents list``."""
    table = plain("NAME", "STATE", "LABELS", "LOAD", "EXECUTOR", "VERSION", "SEEN")
    for agent in agents:
        state = "connected" if agent.connected and agent.state == "active" else agent.state
        style = "green" if agent.connected else "red" if agent.state == "revoked" else "dim"
        limit = f"/{agent.max_concurrent}" if agent.max_concurrent else ""
        table.add_row(
            agent.name,
            Text(state if agent.connected or agent.state != "active" else "away", style=style),
            ",".join(f"{key}={value}" for key, value in agent.labels.items()),
            f"{agent.load}{limit}",
            agent.executor,
            agent.version,
            "now" if agent.connected else ago(agent.last_seen, now),
        )
    return table


def artifacts_table(artifacts: Sequence[ArtifactView]) -> Table:
    """``muster artifacts``."""
    table = plain("WHERE", "NAME", "SIZE", "SHA-256", "EXECUTION")
    for artifact in artifacts:
        table.add_row(
            artifact.where or "-",
            one_line(artifact.name),
            size(artifact.size),
            artifact.digest.removeprefix("sha256:")[:12],
            artifact.execution,
        )
    return table
