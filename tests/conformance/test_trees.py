"""The suites of a corpus: run as trees with stubbed leaves, and what ran otherwise than it was forecast is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conformance.corpus import main
from tests.conformance.corpus_trees import Library, branches, differences
from workflow.forecast import forecast
from workflow.journal import ChildKind
from workflow.labels import agent_labels
from workflow.model import Workflow, parse_documents
from workflow.plan.build import build
from workflow.resolve import resolve
from workflow.states import ExecutionState, Verdict
from workflow.views import ExecutionView, PlaceView, RunView

HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: TestWorkflow\nmetadata: {{name: {}}}\nspec:\n"
INNER = HEAD.format("inner") + "  steps: [{execute: {workflows: [{name: leaf}, {name: unheard-of, count: 2}]}}]\n"
OUTER = HEAD.format("outer") + (
    "  steps:\n"
    "  - execute: {workflows: [{name: inner}]}\n"
    "  - condition: environment.id == 'somewhere-else'\n"
    "    execute: {workflows: [{name: leaf}]}\n"
)
LEAF = HEAD.format("leaf") + "  steps: [{run: {image: nowhere, command: [never]}}]\n"


def workflow(text: str) -> Workflow:
    return parse_documents(text, "w.yaml").workflows[0]


def run(*tree: tuple[str, str, str, str | None]) -> RunView:
    """(id, parent's id, workflow, agent) each."""
    executions = [
        ExecutionView(
            id=own,
            run="r",
            name=own,
            workflow=name,
            state=ExecutionState.PASSED,
            place=PlaceView(parent=parent, ref="1", index=0, kind=ChildKind.WORKFLOW) if parent else None,
            agent=agent,
        )
        for own, parent, name, agent in tree
    ]
    return RunView(id="r", name="r-1", number=1, workflow="outer", verdict=Verdict.PASSED, executions=tuple(executions))


WHOLE = (("a", "", "outer", None), ("b", "a", "inner", None), ("c", "b", "leaf", "here"))
BOTH = (("d", "b", "unheard-of", "here"), ("e", "b", "unheard-of", "here"))


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ((*WHOLE, *BOTH), ""),
        ((*WHOLE, *BOTH, ("f", "a", "leaf", "here")), ""),
        (WHOLE, "did not run: outer/inner/unheard-of, outer/inner/unheard-of"),
        ((*WHOLE, *BOTH, ("f", "b", "leaf", "here")), "ran besides: outer/inner/leaf"),
        ((*WHOLE[:2], ("c", "b", "leaf", "there"), *BOTH), "outer/inner/leaf ran on there, not on here"),
        ((WHOLE[0], ("b", "a", "inner", "here"), WHOLE[2], *BOTH), "outer/inner ran on here, not on the control plane"),
    ],
)
def test_what_ran_otherwise_is_told(tree: tuple[tuple[str, str, str, str | None], ...], said: str) -> None:
    library = Library({"inner": workflow(INNER)}, {"leaf": workflow(LEAF)})
    fleet: Mapping[str, Mapping[str, str]] = {"here": agent_labels({}, id="here", name="here")}
    ahead = branches(forecast(build(resolve(workflow(OUTER), {}, {})), library, fleet))
    assert differences(ahead, run(*tree)) == said


def test_suites_are_run_with_stubs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through a whole system, in spite of a leaf whose image and command are nowhere."""
    rows = []
    for name, text in {"inner": INNER, "outer": OUTER, "leaf": LEAF}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
        tier = "b-plan" if name == "leaf" else "b-suite (execute tree: runnable with stub leaves)"
        row = {"name": name, "kind": "TestWorkflow", "class": "plan", "tier": tier, "file": f"{name}.yaml"}
        rows.append({**row, "templates": []})
    (tmp_path / "index.json").write_text(json.dumps(rows))
    assert main([str(tmp_path / "index.json")]) == 0
    assert capsys.readouterr().out == "agree 3 of 3\n"
