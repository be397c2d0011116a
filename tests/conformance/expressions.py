"""Compares the expression engine with a table of results of the reference engine.

``python -m tests.conformance.expressions FILE...`` prints each disagreement (source, ours, theirs) and
``agree N of M`` last; the exit code is 0 when all agree. A table has one JSON object a line, with the fields ``kind``,
``src``, ``vars``, ``mode`` and the result: ``static``, ``type``, ``value``, ``string``, ``bool``, ``residual`` or
``error``.

A residual is compared in the reference's own spelling (``reference_text``): the reference prints some trees without
parentheses that they need, so its text cannot serve for going on. Ours must read back as the tree that is left.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from workflow.expressions import (
    Expr,
    ExpressionError,
    Resolved,
    Scope,
    Unresolved,
    evaluate,
    parse,
    parse_template,
    render,
    scope,
)
from workflow.expressions.printing import reference_text
from workflow.expressions.template import template_text

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Row: TypeAlias = Mapping[str, Json]

_FAILED = "error"


def rows(path: Path) -> Iterator[Row]:
    """The cases of a table."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def ours(row: Row) -> dict[str, Json]:
    """Our result of a case, in the table's fields; ``{"error": ...}`` when it is one."""
    variables = row.get("vars") or {}
    assert isinstance(variables, dict)
    try:
        resolved = _resolved(row, _scope(variables))
        if not resolved.static:
            _check_read_back(resolved)
            return {"static": False, "residual": _reference_residual(resolved)}
    except ExpressionError as error:
        return {_FAILED: f"{error}\n{error.caret()}"}
    return {
        "static": True,
        "type": None if resolved.kind == "null" else resolved.kind,
        "value": resolved.value,
        "string": resolved.string,
        "bool": resolved.truthy,
    }


def theirs(row: Row) -> dict[str, Json]:
    """The reference's result of a case, in the same fields."""
    if _FAILED in row:
        return {_FAILED: row[_FAILED]}
    if not row["static"]:
        return {"static": False, "residual": row["residual"]}
    return {"static": True, **{key: row.get(key) for key in ("type", "value", "string", "bool")}}


def agrees(mine: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    """Whether two results are the same. Messages of errors need not be."""
    if _FAILED in mine or _FAILED in other:
        return _FAILED in mine and _FAILED in other
    return mine.keys() == other.keys() and all(_same(mine[key], other[key]) for key in mine)


def _same(one: Json, other: Json) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return float(one) == float(other) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return one == other


def _scope(variables: Mapping[str, Json]) -> Scope:
    """The known names; numbers are floats, as the reference reads them from JSON."""
    return scope({name: _floats(value) for name, value in variables.items()})


def _floats(value: Json) -> Json:
    match value:
        case bool() | str() | None:
            return value
        case int() | float():
            return float(value)
        case list():
            return [_floats(item) for item in value]
        case dict():
            return {key: _floats(item) for key, item in value.items()}


def _resolved(row: Row, known: Scope) -> Resolved:
    source, mode = str(row["src"]), Unresolved(row.get("mode") or "")
    return render(source, known, mode) if row["kind"] == "template" else evaluate(source, known, mode)


def _reference_residual(resolved: Resolved) -> str:
    if isinstance(resolved.rest, Expr):
        return reference_text(resolved.rest.root)
    pieces = [piece.root if isinstance(piece, Expr) else piece for piece in resolved.rest.pieces]
    return template_text(pieces, reference_text)


def _check_read_back(resolved: Resolved) -> None:
    """Our own residual must be a program, and print as itself."""
    again = parse(resolved.residual) if isinstance(resolved.rest, Expr) else parse_template(resolved.residual)
    assert str(again) == resolved.residual, f"{resolved.residual} reads back as {again}"


def disagreements(path: Path) -> tuple[list[tuple[Row, dict[str, Json], dict[str, Json]]], int]:
    """The cases of a table with another result (case, ours, theirs), and how many cases there are."""
    found, total = [], 0
    for row in rows(path):
        total += 1
        mine, other = ours(row), theirs(row)
        if not agrees(mine, other):
            found.append((row, mine, other))
    return found, total


def main(paths: Sequence[str]) -> int:
    """Compares each file; see the module."""
    agreed = cases = 0
    for path in paths:
        found, total = disagreements(Path(path))
        for row, mine, other in found:
            source = f"{row['kind']} {row['src']!r} mode={row.get('mode') or 'keep'}"
            sys.stdout.write(f"{source}\n  ours   {json.dumps(mine)}\n  theirs {json.dumps(other)}\n")
        agreed, cases = agreed + total - len(found), cases + total
    sys.stdout.write(f"agree {agreed} of {cases}\n")
    return 0 if agreed == cases else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
