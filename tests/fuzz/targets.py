"""What is fuzzed, a function of bytes each. Called by tests.fuzz (coverage-guided) and by the smoke test.

A target fails by raising: whatever is no answer of the language (a problem with a place, an ExpressionError, a
BadForm) is a crash. What takes longer than SLOW seconds of CPU is a hang. An answer must also hold together: what was
resolved parses again to the same, what was left of an expression can be read again, a plan travels.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Final

from workflow.durations import BadForm
from workflow.expressions import (
    ExpressionError,
    Unresolved,
    evaluate,
    parse,
    parse_template,
    precedence_warnings,
    render,
    scope,
)
from workflow.forecast import forecast
from workflow.identifiers import Instant
from workflow.lint import lint
from workflow.model import Parsed, Workflow, WorkflowTemplate, examine_documents
from workflow.plan.build import build
from workflow.plan.encode import from_bytes, to_bytes
from workflow.plan.nodes import Json, Plan
from workflow.problems import InvalidDocument, errors
from workflow.resolve import dump, resolve
from workflow.schedule import next_firing, parse_schedule

SLOW: Final = 5.0
"""Seconds of CPU that an input of a few kilobytes may take at the very most."""

_KNOWN: Final = scope({"a": "x", "n": 3, "l": [1, "two", None], "m": {"k": {"v": 1.5}}, "passed": True})


class Hang(AssertionError):
    """It took too long."""


class _Nobody:
    """A library that knows nobody."""

    def plan(self, workflow: str, config: Mapping[str, Json]) -> Plan:
        """Nobody has it."""
        raise LookupError(workflow)

    def select(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Nobody has them."""
        return ()


def documents(data: bytes) -> None:
    """Reader and model: any bytes as a file."""
    parsed = examine_documents(data, "fuzz.yaml")
    assert all(problem.message and problem.position.file for problem in parsed.problems)
    for document in [*parsed.workflows, *parsed.templates]:
        assert isinstance(document, Workflow | WorkflowTemplate)
        lint(document, honours_images=False, agents={})


def expressions(data: bytes) -> None:
    """The expression engine: any text as an expression and as a template."""
    text = data.decode("utf-8", "replace")
    for mode in Unresolved:
        try:
            found = evaluate(text, _KNOWN, mode)
        except ExpressionError as error:
            assert error.message and 0 <= error.offset <= len(text)
        else:
            assert found.static or parse(found.residual)
        try:
            rendered = render(text, _KNOWN, mode)
        except ExpressionError as error:
            assert error.message
        else:
            assert rendered.static or parse_template(rendered.residual)
    for template in (False, True):
        try:
            precedence_warnings(text, template=template)
        except ExpressionError:
            continue


def templates(data: bytes) -> None:
    """The template resolver and the planner: any bytes as a file of workflows and the templates that they use."""
    parsed = examine_documents(data, "fuzz.yaml")
    known = _templates(parsed)
    for workflow in parsed.workflows:
        try:
            resolved = resolve(workflow, known, {"a": "{{ x }}", "n": 7})
            plan = build(resolved)
        except InvalidDocument as refused:
            assert errors(refused.problems)
            continue
        again = examine_documents(json.dumps(dump(resolved)), "again.json")
        assert again.workflows == (resolved,), again.problems
        assert from_bytes(to_bytes(plan)) == plan
        forecast(plan, _Nobody())


def schedules(data: bytes) -> None:
    """Schedules: any text, and its next firings."""
    try:
        schedule = parse_schedule(data.decode("utf-8", "replace"))
    except BadForm as refused:
        assert str(refused)
        return
    at = Instant(1_700_000_000_000_000)
    for _ in range(3):
        firing = next_firing(schedule, at, UTC)
        if firing is None:
            return
        assert firing > at
        at = firing


def _templates(parsed: Parsed) -> dict[str, WorkflowTemplate]:
    return {template.name: template for template in parsed.templates}


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "documents": documents,
    "expressions": expressions,
    "templates": templates,
    "schedules": schedules,
}


def tried(name: str, data: bytes) -> None:
    """Give the data to a target. Raises whatever is no answer, and ``Hang``."""
    begin = time.thread_time()
    TARGETS[name](data)
    spent = time.thread_time() - begin
    if spent > SLOW:
        raise Hang(f"{len(data)} bytes took {spent:.1f} s")
