"""Expressions that cannot be read, found when the document is, to the character."""

from __future__ import annotations

import pytest

from workflow.model import examine_documents
from workflow.problems import Position

HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata:\n  name: w\nspec:\n"


@pytest.mark.parametrize(
    "marked",
    [
        "  steps:\n  - condition: a && § )\n",
        "  steps:\n  - condition: 'a && § )'\n",
        '  steps:\n  - shell: "echo {{ env.X § $ }}"\n',
        "  steps:\n  - shell: |\n      echo one\n      echo {{ env.X § $ }} two\n      echo three\n",
        "  steps:\n  - shell: |-\n\n      echo §{{ env.X\n",
        "  container:\n    env:\n    - {name: A, value: '{{ § ) }}'}\n",
        "  pod: {volumes: [{name: v, hostPath: {path: '/{{ § ) }}'}}]}\n",
        "  steps: [{parallel: {count: '1 + § *', shards: {a: b}}}]\n",
        "  steps: [{parallel: {matrix: {a: ['{{ § ) }}']}}}]\n",
        "  steps: [{execute: {workflows: [{name: a, config: {x: '{{ § ) }}'}}]}}]\n",
        "  services: {§'{{ ) }}': {image: a}}\n",
    ],
)
def test_the_place_is_exact(marked: str) -> None:
    before = (HEAD + marked).split("§")[0].removesuffix(" ")
    text = HEAD + marked.replace("§ ", "").replace("§", "")
    [problem] = examine_documents(text, "w.yaml").problems
    place = Position("w.yaml", before.count("\n") + 1, len((HEAD + marked).split("§")[0]) - before.rfind("\n"))
    assert problem.position == place, str(problem)
    assert problem.code in ("bad-template", "bad-expression")


def test_what_is_no_expression_is_not_read_as_one() -> None:
    text = HEAD + "  steps: [{shell: 'a && (', name: 'b ) }}', run: {args: ['${{x']}}]\n"
    [problem] = examine_documents(text, "w.yaml").problems
    assert "}}" in problem.message
