"""``muster lint``, ``resolve``, ``plan`` and ``schema`` as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from muster.cli.app import app
from tests.workflow.source.hostile import HOSTILE

HEAD = "apiVersion: testworkflows.testkube.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n"


def workflow(name: str, spec: str, kind: str = "TestWorkflow") -> str:
    return HEAD.format(kind=kind, name=name) + "".join(f"  {line}\n" for line in spec.splitlines())


def muster(*words: str, given: bytes | str | None = None) -> Result:
    done = CliRunner().invoke(app, list(words), input=given)
    assert "Traceback" not in done.output + done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def data(*words: str, given: bytes | str | None = None) -> Any:
    done = muster(*words, "--output", "json", given=given)
    assert done.exit_code in (0, 2), done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(workflow("good", "steps:\n- shell: echo {{ config.who }}\nconfig:\n  who: {}"))
    return tmp_path


# --- lint --------------------------------------------------------------------------------------------------------


def test_a_good_file_has_nothing_to_say(folder: Path) -> None:
    done = muster("lint", str(folder / "good.yaml"))
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "1 documents read, 0 errors, 0 warnings\n"


def test_all_problems_of_all_files(folder: Path) -> None:
    (folder / "a.yaml").write_text(workflow("a", "stepz: []\ntimeouts: {queue: 7m}\nsteps: [{retry: {count: 0}}]"))
    (folder / "b.json").write_text('{"apiVersion": "testworkflows.testkube.io/v1", "kind": "TestWorkflw"}')
    (folder / "c.yml").write_bytes(b"a: \xff")
    (folder / "ignored.txt").write_text("not a document")
    done = muster("lint", str(folder))
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    assert f"{folder}/a.yaml:6:3: error: unknown field 'stepz' in spec (did you mean 'steps'?)" in done.stderr
    assert [line.split(": error:")[0].removeprefix(f"{folder}/") for line in lines if ": error:" in line] == [
        "a.yaml:6:3",
        "a.yaml:8:27",
        "b.json:1:56",
        "c.yml:1:4",
    ]
    assert lines[-1] == "1 documents read, 4 errors, 0 warnings"


def test_warnings_do_not_fail(tmp_path: Path) -> None:
    text = workflow("w", "steps: [{condition: a || b && c, shell: x}]\nafter: [{shell: y}]")
    found = data("lint", "-", given=text)
    assert [(each["code"], each["severity"], each["line"]) for each in found] == [
        ("precedence", "warning", 6),
        ("after-without-condition", "warning", 7),
    ]
    assert muster("lint", "-", given=text).exit_code == 0


def test_what_only_planning_finds() -> None:
    found = data(
        "lint", "-", given=workflow("w", "steps: [{shell: x, timeout: '{{ config.t }}'}]\nconfig: {t: {default: soon}}")
    )
    assert [(each["code"], each["line"]) for each in found] == [("bad-value", 6)]
    assert "not a duration" in found[0]["message"]


def test_templates_among_the_files_are_applied(folder: Path) -> None:
    (folder / "t.yaml").write_text(workflow("t/x", "config: {n: {type: integer}}", "TestWorkflowTemplate"))
    user = folder / "user.yaml"
    user.write_text(workflow("user", "use: [{name: t/x, config: {n: many}}]\nsteps: [{shell: x}]"))
    assert "must be an integer" in muster("lint", str(folder)).stderr
    assert muster("lint", str(user), "--templates", str(folder / "t.yaml")).exit_code == 2
    alone = muster("lint", str(user))
    assert alone.exit_code == 0
    assert "there is no template 't/x' among these files, so what it adds was not checked" in alone.stderr


def test_the_place_it_will_run_in() -> None:
    text = workflow(
        "w", "container: {image: node:18}\nexecution: {target: {match: {environment: [prod]}}}\nsteps: [{shell: x}]"
    )
    codes = [each["code"] for each in data("lint", "-", "--process", "--agent", "a:environment=dev", given=text)]
    assert codes == ["image-ignored", "target-without-agent"]
    assert data("lint", "-", "--agent", "a:environment=prod", given=text) == []


def test_a_name_in_two_files(folder: Path) -> None:
    (folder / "two.yaml").write_text((folder / "good.yaml").read_text())
    found = data("lint", str(folder))
    assert [(each["code"], Path(each["file"]).name) for each in found] == [("duplicate-document", "two.yaml")]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("command", ["lint", "resolve", "plan"])
def test_hostile_input(name: str, command: str, tmp_path: Path) -> None:
    text, _ = HOSTILE[name]
    if isinstance(text, str):
        text = text.encode(errors="surrogatepass")
    done = muster(command, "-", given=text)
    assert done.exit_code == 2
    assert done.stderr.startswith("<stdin>") or done.stderr.startswith("error: there is no TestWorkflow")
    assert all(len(line) < 600 for line in done.stderr.splitlines())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("lint", "nowhere.yaml"), "there is no file nowhere.yaml"),
        (("lint", "a\0b"), "there is no file"),
        (("lint", "{folder}/empty"), "there is no .yaml, .yml or .json file in"),
        (("plan", "{folder}/t.yaml"), "there is no TestWorkflow in"),
        (("plan", "{folder}/good.yaml"), "workflow 'good' needs the parameter 'who'"),
        (("plan", "{folder}/good.yaml", "--config", "who"), "--config takes KEY=VALUE, not 'who'"),
        (("plan", "{folder}/good.yaml", "--config", "whom=x"), "has no parameter 'whom' (did you mean 'who'?)"),
        (
            ("plan", "{folder}/good.yaml", "--workflow", "god"),
            "'god' is not among the files read: did you mean 'good'?",
        ),
        (("plan", "{folder}/good.yaml", "--agent", ":x=y"), "--agent takes NAME or NAME:K=V,K=V"),
        (("plan", "{folder}/good.yaml", "--agent", "a:name=y"), "the label 'name' cannot be given"),
        (("plan", "{folder}/good.yaml", "--templates", "none"), "there is no file none"),
        (("resolve", "{folder}/good.yaml", "--templates", "{folder}/bad.yaml"), "bad.yaml:6:3: error: unknown field"),
        (("schema", "{folder}/no/such/file"), "No such file or directory"),
    ],
)
def test_a_sentence_for_everything(folder: Path, words: tuple[str, ...], sentence: str) -> None:
    (folder / "empty").mkdir()
    (folder / "t.yaml").write_text(workflow("t", "steps: []", "TestWorkflowTemplate"))
    (folder / "bad.yaml").write_text(workflow("t", "stepz: []", "TestWorkflowTemplate"))
    done = muster(*(word.replace("{folder}", str(folder)) for word in words))
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_an_unreadable_file_does_not_hide_the_others(folder: Path) -> None:
    (folder / "a.yaml").symlink_to(folder / "a.yaml")  # whoever opens it meets an error, root too
    (folder / "b.yaml").write_text(workflow("b", "stepz: []"))
    done = muster("lint", str(folder / "a.yaml"), str(folder / "b.yaml"))
    assert done.exit_code == 2
    assert "a.yaml" in done.stderr


# --- resolve -----------------------------------------------------------------------------------------------------


def test_resolve_gives_a_document_again(folder: Path) -> None:
    done = muster("resolve", str(folder / "good.yaml"), "--config", "who={{ you }}")
    assert done.exit_code == 0
    again = muster("resolve", "-", given=done.stdout)
    assert yaml.safe_load(again.stdout) == yaml.safe_load(done.stdout)
    assert "you" in yaml.safe_load(done.stdout)["spec"]["steps"][0]["shell"]


def test_resolve_of_several_documents(folder: Path) -> None:
    text = workflow("a", "steps: [{shell: x}]") + "---\n" + workflow("b", "steps: [{shell: y}]")
    done = muster("resolve", "-", given=text)
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(done.stdout)] == ["a", "b"]
    assert [each["metadata"]["name"] for each in data("resolve", "-", given=text)] == ["a", "b"]
    assert data("resolve", "-", "--workflow", "b", given=text)["metadata"]["name"] == "b"


def test_a_sensitive_parameter_is_not_printed() -> None:
    text = workflow("w", "config: {k: {sensitive: true}}\nsteps: [{shell: 'echo {{ config.k }}'}]")
    done = muster("resolve", "-", "--config", "k=hush-hush", given=text)
    assert "hush-hush" not in done.stdout and "secret(" in done.stdout
    assert "hush-hush" not in muster("plan", "-", "--config", "k=hush-hush", "--output", "json", given=text).stdout


# --- plan --------------------------------------------------------------------------------------------------------

TREE = (
    workflow(
        "suite",
        """
steps:
- name: Everywhere
  execute:
    workflows:
    - {name: leaf, config: {who: you}, matrix: {env: [dev, prod]}, target: {match: {environment: ["{{ matrix.env }}"]}}}
    - {name: elsewhere}
    - {selector: {matchLabels: {kind: leaf}}}
""".strip(),
    )
    + "---\n"
    + workflow(
        "leaf",
        "config: {who: {}}\ncontainer: {image: 'node:{{ config.who }}'}\nsteps: [{shell: 'echo {{ config.who }}'}]",
    ).replace("  name: leaf\n", "  name: leaf\n  labels: {kind: leaf}\n")
)


def test_the_tree_with_its_values() -> None:
    found = data("plan", "-", "--workflow", "suite", "--agent", "d:environment=dev", given=TREE)
    assert found["pod"] is None and found["where"]["said"] == "the control plane itself"
    children = found["steps"][0]["children"]
    assert [(child["name"], child["values"]) for child in children] == [
        ("leaf", {"matrix": {"env": "dev"}}),
        ("leaf", {"matrix": {"env": "prod"}}),
        ("elsewhere", {}),
        ("leaf", {}),
    ]
    leaf, other = children[0]["execution"], children[1]["execution"]
    assert leaf["steps"][0]["does"]["script"] == "echo you"
    assert [each["image"] for each in leaf["pod"]["containers"]] == ["node:you"]
    assert leaf["where"]["agents"] == ["d"] and other["where"]["agents"] == []
    assert other["where"]["shortfall"].startswith("waits for environment=prod: 0 of 1 agent matches")
    assert "not among the files" in children[2]["note"]
    assert "needs the parameter 'who'" in children[3]["note"]


def test_the_tree_for_people() -> None:
    done = muster("plan", "-", "--workflow", "suite", given=TREE)
    assert done.stdout.splitlines()[:6] == [
        "suite  on the control plane itself",
        "  1 Everywhere  execute",
        "    workflow 0 leaf  env=dev",
        "      leaf  on environment=dev",
        "        pod: conductor and 1 for steps",
        "          container step-1: node:you; step 1",
    ]


def test_workers_with_their_values() -> None:
    parallel = "matrix: {a: [x, y], b: [1, 2]}\n    shell: echo {{ matrix.a }}{{ matrix.b }}{{ index }}"
    text = workflow("w", f"steps:\n- parallel:\n    {parallel}")
    children = data("plan", "-", given=text)["steps"][0]["children"]
    assert [child["execution"]["steps"][0]["does"]["script"] for child in children] == [
        "echo x10",
        "echo x21",
        "echo y12",
        "echo y23",
    ]


def test_workers_that_are_counted_while_running() -> None:
    step = data("plan", "-", given=workflow("w", "steps: [{parallel: {count: 'env.N', shell: 'echo {{ index }}'}}]"))[
        "steps"
    ][0]
    assert "known only when it runs" in step["note"]
    assert step["children"][0]["execution"]["steps"][0]["does"]["script"] == "echo {{ index }}"


def test_many_workers_are_named_and_not_all_described() -> None:
    text = workflow("w", "steps: [{parallel: {count: 5000, shell: 'echo {{ index }}'}}]")
    children = data("plan", "-", given=text)["steps"][0]["children"]
    assert len(children) == 5000
    assert sum(child["execution"] is not None for child in children) == 999
    assert "... and 4980 more" in muster("plan", "-", given=text).stdout


def test_workflows_that_execute_themselves_end() -> None:
    text = workflow("w", "steps: [{execute: {workflows: [{name: w, count: 3}]}}]")
    done = muster("plan", "-", given=text)
    assert done.exit_code == 0
    assert "is one its own descendant?" in done.stdout or "only named" in done.stdout


def test_a_request_for_an_execution(tmp_path: Path) -> None:
    (tmp_path / "leaf.yaml").write_text(TREE.partition("---\n")[2])
    request = """apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflowExecution
metadata: {name: r}
spec: {testWorkflow: {name: leaf}, executionRequest: {config: {who: me}}}
"""
    found = data("plan", "-", "--templates", str(tmp_path), given=request)
    assert found["steps"][0]["does"]["script"] == "echo me"
    assert "'leaf' is not among the files read" in muster("plan", "-", given=request).stderr


def test_nothing_moves_the_terminal() -> None:
    text = workflow("w", 'steps: [{name: "a\\e]0;title\\a\\e[2Jb", shell: "echo \\e[31m"}]')
    assert "\x1b" not in muster("plan", "-", given=text).output


# --- schema ------------------------------------------------------------------------------------------------------


def test_schema(tmp_path: Path) -> None:
    printed = json.loads(muster("schema").stdout)
    assert muster("schema", str(tmp_path / "schema.json")).exit_code == 0
    assert json.loads((tmp_path / "schema.json").read_text()) == printed
    assert "TestWorkflow" in json.dumps(printed)
