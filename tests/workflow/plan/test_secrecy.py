"""Where no secret can be asked, and who conducts a workflow whose conditions ask one."""

from __future__ import annotations

import pytest

from workflow.model import parse_documents
from workflow.plan.build import build
from workflow.plan.nodes import Plan
from workflow.problems import InvalidDocument
from workflow.resolve import resolve

HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata: {name: w}\nspec:\n"
SENSITIVE = "  config: {n: {type: integer, sensitive: true}}\n"


def planned(steps: str) -> Plan:
    text = HEAD + SENSITIVE + f"  steps: [{steps}]\n"
    return build(resolve(parse_documents(text, "w.yaml").workflows[0], {}, {"n": 2}))


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ("{parallel: {count: config.n, shell: a}}", "count"),
        ("{parallel: {matrix: {a: ['{{ config.n }}']}, shell: a}}", "matrix"),
        ("{parallel: {shards: {a: 'list(config.n)'}, shell: a}}", "shards"),
        ("{services: {db: {description: '{{ config.n }}', image: a}}}", "description"),
        ("{execute: {workflows: [{name: 'a{{ config.n }}'}]}}", "name"),
    ],
)
def test_what_names_or_counts_children_asks_no_secret(steps: str, field: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        planned(steps)
    [problem] = refused.value.problems
    assert problem.code == "told-secret" and problem.message.startswith(f"{field} depends on a secret")
    assert problem.position.line == 6 and problem.position.column > 10


def test_what_children_do_may_ask_one() -> None:
    planned("{parallel: {count: 2, shell: 'echo {{ config.n }}'}}")
    planned("{execute: {workflows: [{name: a, config: {x: '{{ config.n }}'}}]}}")


def test_the_control_plane_conducts_nothing_that_asks_secrets() -> None:
    assert planned("{execute: {workflows: [{name: a}]}}").orchestrates_only
    assert not planned("{condition: config.n > 1, execute: {workflows: [{name: a}]}}").orchestrates_only
    assert not planned("{retry: {count: 1, until: config.n > 1}, execute: {workflows: [{name: a}]}}").orchestrates_only
