"""A comparison as plain cells, Markdown, HTML or JUnit XML. Pure functions of the value.

Called by control_plane.web and muster.cli. Everything that a step or a test named is neutralised and escaped here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Final
from xml.sax.saxutils import escape as xml_escape
from xml.sax.saxutils import quoteattr

from workflow.comparison import PENDING, Cell, Column, Comparison, Row, Table
from workflow.states import ExecutionState
from workflow.terminal import neutralised, one_line

DIFFERS: Final = "≠"
"""Marks a row whose cells are not all equal."""

_SIGNS: Final = {
    "passed": "✓",
    "failed": "✗",
    "error": "✗",
    "timeout": "⧖",
    "skipped": "–",
    "running": "…",
    "queued": "·",
    "pending": "·",
}
_BAD: Final = frozenset({"failed", "error", "timeout", "aborted", "canceled"})


def duration(milliseconds: float | None) -> str:
    """As people say it: ``12 ms``, ``3.4 s``, ``2 m 05 s``; empty where not known."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} m {int(seconds % 60):02} s"


def cell_text(cell: Cell | None) -> str:
    """A cell in a word or two: ``✓ 12 ms``, ``✗ failed``, ``absent``."""
    if cell is None:
        return "absent"
    word = "" if cell.status in {"passed", "skipped"} else cell.status
    said = (_SIGNS.get(cell.status, ""), word or ("skipped" if cell.status == "skipped" else ""))
    return " ".join(part for part in (*said, duration(cell.duration_ms)) if part)


def row_name(row: Row) -> str:
    """A row's name with where it belongs, on one line."""
    name = one_line(row.name)
    return f"{one_line(row.group)} :: {name}" if row.kind == "test" and row.group else "  " * row.depth + name


def grid(table: Table) -> list[list[str]]:
    """Head and rows as texts: mark, name, then a cell for each column."""
    head = ["", one_line(table.workflow), *(one_line(column.title) for column in table.columns)]
    verdicts = ["", "verdict", *(column.state.value for column in table.columns)]
    rows = [[DIFFERS if row.differs else "", row_name(row), *map(cell_text, row.cells)] for row in table.rows]
    return [head, *rows, verdicts]


def remarks(table: Table) -> list[str]:
    """A sentence for each bad cell of a row that differs, in the rows' order: what went wrong where."""
    return [
        f"{row_name(row).strip()} in {one_line(column.title)}: {one_line(cell.message) or cell.status}"
        for row in table.differences
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell and cell.status in _BAD
    ]


# --- Markdown ----------------------------------------------------------------------------------------------------


def markdown(comparison: Comparison) -> str:
    """Every table of the comparison, with the remarks below it."""
    parts = [f"# {_marked(one_line(comparison.run))}: {comparison.verdict.value}\n"]
    for table in comparison.tables:
        head, *rows = grid(table)
        parts.append(_line(head))
        parts.append(_line([":-:", ":--", *("---" for _ in table.columns)], raw=True))
        parts += [_line(row) for row in rows]
        parts.append("")
        parts += [f"- {_marked(remark)}" for remark in remarks(table)]
        parts.append("")
    return "\n".join(parts)


def _line(cells: Sequence[str], *, raw: bool = False) -> str:
    return "| " + " | ".join(cell if raw else _marked(cell) for cell in cells) + " |"


_MARKDOWN: Final = str.maketrans({char: "\\" + char for char in "\\`*_[]<>|#!~"} | {"&": "&amp;"})


def _marked(text: str) -> str:
    """``text`` with nothing that Markdown would read; leading spaces kept, which show nesting."""
    bare = text.lstrip(" ")
    return "&nbsp;" * (len(text) - len(bare)) + bare.translate(_MARKDOWN)


# --- HTML --------------------------------------------------------------------------------------------------------


def html(comparison: Comparison) -> str:
    """The tables as a fragment of HTML classes ``differs``, ``good``, ``bad``, ``idle``; no script or style."""
    return "\n".join(_html_table(table) for table in comparison.tables)


def _html_table(table: Table) -> str:
    heads = "".join(f"<th>{escape(one_line(column.title))}</th>" for column in table.columns)
    ends = "".join(f'<td class="{_tone(column.state.value)}">{column.state.value}</td>' for column in table.columns)
    rows = "".join(_html_row(row) for row in table.rows)
    notes = "".join(f"<li>{escape(remark)}</li>" for remark in remarks(table))
    return (
        f'<table class="comparison"><thead><tr><th></th><th>{escape(one_line(table.workflow))}</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody><tfoot><tr><td></td><td>verdict</td>{ends}</tr></tfoot></table>"
        + (f'<ul class="remarks">{notes}</ul>' if notes else "")
    )


def _html_row(row: Row) -> str:
    cells = "".join(_html_cell(cell) for cell in row.cells)
    mark = (' class="differs"', DIFFERS) if row.differs else ("", "")
    return f'<tr{mark[0]}><td>{mark[1]}</td><td class="name">{escape(row_name(row))}</td>{cells}</tr>'


def _html_cell(cell: Cell | None) -> str:
    status, message = (cell.status, one_line(cell.message)) if cell else ("absent", "")
    return f'<td class="{_tone(status)}" title="{escape(message)}">{escape(cell_text(cell))}</td>'


def _tone(status: str) -> str:
    return "bad" if status in _BAD else "good" if status == "passed" else "idle"


# --- JUnit -------------------------------------------------------------------------------------------------------


def junit(comparison: Comparison) -> str:
    """The run for tools that read JUnit XML: a testsuite for each column, a testcase for each step and test in it."""
    suites = [_suite(table, index, column) for table in comparison.tables for index, column in enumerate(table.columns)]
    body = "\n".join(suites)
    name = _attribute(comparison.run)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name={name}>\n{body}\n</testsuites>\n'


def _suite(table: Table, index: int, column: Column) -> str:
    held = [(row, cell) for row in table.rows if (cell := row.cells[index]) and cell.status != PENDING]
    cases = [_case(table, row, cell) for row, cell in held]
    statuses = [cell.status for _, cell in held]
    if column.state not in {ExecutionState.PASSED, ExecutionState.FAILED}:
        statuses.append("aborted")
        cases.append(_case(table, _verdict_row(), Cell(status="aborted", message=column.reason or column.state.value)))
    counts = (
        f'tests="{len(cases)}" failures="{sum(status in {"failed", "timeout"} for status in statuses)}" '
        f'errors="{sum(status in _BAD - {"failed", "timeout"} for status in statuses)}" '
        f'skipped="{sum(status in _IDLE for status in statuses)}"'
    )
    name = _attribute(f"{table.workflow} [{column.title}]")
    return f"  <testsuite name={name} {counts}>\n" + "\n".join(cases) + "\n  </testsuite>"


_IDLE: Final = frozenset({"skipped", "queued", "running", "paused"})


def _verdict_row() -> Row:
    return Row(kind="step", name="verdict", cells=())


def _case(table: Table, row: Row, cell: Cell) -> str:
    group = row.group if row.kind == "test" else " / ".join(part for part in (table.workflow, row.group) if part)
    time = "" if cell.duration_ms is None else f' time="{cell.duration_ms / 1000:.3f}"'
    start = f"    <testcase classname={_attribute(group)} name={_attribute(row.name)}{time}"
    message = _attribute(one_line(cell.message) or cell.status)
    if cell.status in {"failed", "timeout"}:
        return f"{start}><failure message={message}>{_content(cell.message)}</failure></testcase>"
    if cell.status in _BAD:
        return f"{start}><error message={message}>{_content(cell.message)}</error></testcase>"
    if cell.status in _IDLE:
        return f"{start}><skipped message={message}/></testcase>"
    return f"{start}/>"


def _attribute(text: str) -> str:
    return quoteattr(_legal(one_line(text, 1000)))


def _content(text: str) -> str:
    return xml_escape(_legal(neutralised(text)))


def _legal(text: str) -> str:
    """``text`` without what no XML may hold."""
    return _ILLEGAL.sub("\ufffd", text)


_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
