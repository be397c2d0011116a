"""Workflows as a test writes them, and their plans to look into. Used by the tests of the planner."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import Any

from workflow.model import Workflow, parse_documents
from workflow.plan.build import build
from workflow.plan.encode import describe, from_bytes, to_bytes
from workflow.plan.nodes import (
    EnvVar,
    Plan,
    Step,
    walk,
)
from workflow.resolve import resolve

CI = EnvVar("CI", "1")


def workflow(spec: str, metadata: str = "") -> Workflow:
    text = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata:\n  name: tried\n"
    text += indent(dedent(metadata), "  ") + "\nspec:\n" + indent(dedent(spec), "  ")
    (found,) = parse_documents(text, "tried.yaml").workflows
    return resolve(found, {}, {})


def planned(spec: str, metadata: str = "", **facts: Any) -> Plan:
    made = build(workflow(spec, metadata), facts=facts)
    assert from_bytes(to_bytes(made)) == made
    return made


def outline(plan: Plan) -> list[str]:
    """Every step as ``depth kind condition``, hidden ones in brackets."""
    found = []
    for line in describe(plan):
        text = f"{line.ref} {line.kind} {line.condition}"
        found.append(f"({text})" if line.hidden else text)
    return found


def body(plan: Plan, ref: str) -> Any:
    return next(step.body for step in walk(plan.steps) if step.ref == ref)


def step(plan: Plan, ref: str) -> Step:
    return next(step for step in walk(plan.steps) if step.ref == ref)
