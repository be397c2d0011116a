"""The corpus check itself: it must notice what disagrees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance.corpus import main

PLAN = "--plan-only"

HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n"
GOOD = HEAD.format(kind="TestWorkflow", name="w") + "  use: [{name: t}]\n  steps: [{shell: a}]\n"
TEMPLATE = HEAD.format(kind="TestWorkflowTemplate", name="t") + "  steps: [{shell: b}]\n"
BAD = GOOD.replace("steps", "stepz")


def index(folder: Path, **documents: tuple[str, ...]) -> str:
    rows = []
    for name, (group, text, *more) in documents.items():
        (folder / f"{name}.yaml").write_text(text)
        kind = "TestWorkflowTemplate" if name == "template" else "TestWorkflow"
        used = ["t"] if "use:" in text else []
        row = {"name": name, "kind": kind, "class": group, "templates": used, "file": f"{name}.yaml"}
        rows.append(row | dict(zip(("tier", "expect"), more, strict=False)))
    (folder / "index.json").write_text(json.dumps(rows))
    return str(folder / "index.json")


def test_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([PLAN, index(tmp_path, template=("plan", TEMPLATE), good=("run", GOOD), bad=("invalid", BAD))]) == 0
    assert capsys.readouterr().out == "agree 3 of 3\n"


def test_a_template_that_nobody_has_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([index(tmp_path, good=("plan", GOOD))]) == 0
    assert capsys.readouterr().out == "agree 1 of 1\n"


def test_disagreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = {"template": ("plan", TEMPLATE), "good": ("invalid", GOOD), "bad": ("plan", BAD)}
    assert main([index(tmp_path, **documents)]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "agree 1 of 3"
    assert "good.yaml (invalid): was accepted" in lines[0]
    assert "bad.yaml (plan): was refused" in lines[1] and "did you mean 'steps'?" in lines[1]


def test_nothing_is_no_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([index(tmp_path)]) == 1
    assert capsys.readouterr().out == "agree 0 of 0\n"


def test_what_needs_a_container_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {"template": ("plan", TEMPLATE), "good": ("run", GOOD, "a-container (memory limit)", "FAILED")}
    assert main([PLAN, index(tmp_path, **rows)]) == 0
    line, last = capsys.readouterr().out.splitlines()
    assert "good.yaml (run): waits for a real Kubernetes" in line
    assert last == "agree 1 of 1"


def test_rows_are_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through a whole system: one ends as it should, one does not, one is too long to be run."""
    plain = HEAD.format(kind="TestWorkflow", name="{}") + "  steps: [{{shell: '{}'}}]\n"
    rows = {
        "fine": ("run", plain.format("fine", "true"), "a-process (sh)", "PASSED"),
        "fails": ("run", plain.format("fails", "exit 3"), "a-process (sh)", "FAILED"),
        "wrong": ("run", plain.format("wrong", "true"), "a-process (sh)", "FAILED"),
        "endless": ("run", plain.format("endless", "sleep 9999"), "a-process (sh) LONG", "PASSED"),
    }
    assert main([index(tmp_path, **rows)]) == 1
    line, last = capsys.readouterr().out.splitlines()
    assert "wrong.yaml (run): ended as passed, not failed" in line
    assert last == "agree 3 of 4"
