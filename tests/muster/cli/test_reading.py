"""``muster get``, ``logs``, ``compare``, ``why``."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.control_plane.web.test_api import finished
from tests.control_plane.world import World, step
from tests.muster.cli.conftest import Prompt
from workflow.journal import ChildKind
from workflow.plan.nodes import Plan
from workflow.states import ExecutionState

EVIL = "[bold]\x1b]0;t\x07x[/nope]"


def columns(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize("what", ["workflows", "templates", "runs", "executions", "agents"])
async def test_lists(muster: Prompt, world: World, what: str) -> None:
    await finished(world)
    done = await muster("get", what)
    assert done.exit_code == 0
    rows = await muster.json("get", what)
    assert isinstance(rows, list)
    assert len(done.stdout.splitlines()) == (len(rows) + 1 if rows else 0)
    assert bool(done.stderr) == (not rows)


async def test_runs(muster: Prompt, world: World) -> None:
    await finished(world)
    head, row = (await muster("get", "runs")).stdout.splitlines()
    assert head.split() == ["NAME", "VERDICT", "ENVIRONMENTS", "STARTED", "TOOK", "BY"]
    assert row.startswith("every-1   ✗ failed   dev, prod   ")
    assert (await muster.json("get", "runs", "every-1"))["verdict"] == "failed"
    tree = (await muster("get", "runs", "every-1")).stdout
    assert "  build" in tree and "✗ failed" in tree


async def test_executions(muster: Prompt, world: World) -> None:
    _, executions = await finished(world)
    assert "no execution is open" in (await muster("get", "executions")).stderr
    listed = await muster("get", "executions", "--run", "every-1")
    assert [row[0] for row in columns(listed.stdout)] == ["ID", *executions]
    assert (await muster.json("get", "executions", executions[0]))["state"] == "passed"
    shown = (await muster("get", "executions", executions[0])).stdout
    assert executions[0] in shown and executions[1] not in shown


async def test_an_agent(muster: Prompt) -> None:
    assert (await muster.json("get", "agents", "dev-runner"))["name"] == "dev-runner"
    assert "environment=dev" in (await muster("get", "agents", "dev-runner")).stdout


@pytest.mark.parametrize(
    "words",
    [
        ("get", "runs", "nobody"),
        ("get", "executions", "nobody"),
        ("get", "executions", "--run", "nobody"),
        ("get", "agents", "nobody"),
        ("get", "workflows", "nobody"),
        ("get", "templates", "nobody"),
        ("logs", "nobody"),
        ("compare", "nobody"),
        ("why", "nobody"),
        ("artifacts", "nobody"),
        ("delete", "workflow", "nobody"),
        ("agents", "drain", "nobody"),
        ("agents", "revoke", "nobody"),
        ("get", "runs", ".."),
        ("why", ""),
        ("get", "runs", "x/../../agents"),
    ],
)
async def test_what_is_not_there(muster: Prompt, words: tuple[str, ...]) -> None:
    done = await muster(*words)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")


async def test_names_are_no_markup(muster: Prompt, world: World) -> None:
    run = await world.run()
    execution = await world.execution(run, "dev", plan=Plan("suite", (step("1", EVIL),)))
    await world.steps(execution, {"1": 1})
    await world.ends(execution, ExecutionState.FAILED, EVIL)
    for words in (("get", "runs", "every-1"), ("get", "executions", "--run", "every-1"), ("compare", "every-1")):
        assert "[bold]x[/nope]" in (await muster(*words)).stdout


# --- logs --------------------------------------------------------------------------------------------------------


async def test_an_execution_is_named_as_it_is_printed(muster: Prompt, world: World) -> None:
    _, executions = await finished(world)
    listed = columns((await muster("get", "executions", "--run", "every-1")).stdout)
    name = listed[2][1]
    assert (await muster.json("get", "executions", name))["id"] == executions[1]
    assert (await muster("logs", name)).stdout == f"hello from {executions[1]} ä\n"
    assert (await muster.json("why", name))["subject"] == name


async def test_logs_of_an_execution_are_what_it_printed(muster: Prompt, world: World) -> None:
    _, executions = await finished(world)
    for more in ((), ("--follow",), ("--raw",)):
        assert (await muster("logs", executions[0], *more)).stdout == f"hello from {executions[0]} ä\n"


async def test_logs_of_a_run_say_where(muster: Prompt, world: World) -> None:
    _, executions = await finished(world)
    lines = [f"{where:<7}  build | hello from {one} ä" for where, one in zip(("dev", "prod"), executions, strict=True)]
    assert (await muster("logs", "every-1")).stdout.splitlines() == lines
    assert sorted((await muster("logs", "every-1", "--follow")).stdout.splitlines()) == lines
    raw = (await muster("logs", "every-1", "--raw")).stdout
    assert raw == "".join(f"hello from {one} ä\n" for one in executions)
    assert (await muster("logs", "every-1", "--agent", "prod-runner")).stdout.splitlines() == lines[1:]
    nothing = await muster("logs", "every-1", "--agent", "staging-runner")
    assert (nothing.stdout, nothing.stderr) == ("", "nothing was printed there\n")


async def test_logs_from_a_position(muster: Prompt, world: World) -> None:
    _, executions = await finished(world)
    await world.prints(executions[0], "2", "more\n")
    first = (await muster("logs", executions[0], "--positions")).stdout.splitlines()[0]
    position = first.removeprefix(f"[{executions[0]} ").partition("]")[0]
    assert (await muster("logs", executions[0], "--since", position)).stdout == "more\n"
    for subject, since in ((executions[0], "x"), ("every-1", "1.1")):
        assert (await muster("logs", subject, "--since", since)).exit_code == 2


async def test_logs_of_a_step(muster: Prompt, world: World) -> None:
    _, executions = await finished(world)
    await world.prints(executions[0], "2.1", "unit\n")
    for name in ("2.1", "unit"):
        assert (await muster("logs", executions[0], "--step", name)).stdout == "unit\n"
    missing = await muster("logs", executions[0], "--step", "none")
    assert (missing.exit_code, "there is no step 'none'" in missing.stderr) == (2, True)


async def test_logs_are_neutralised_unless_asked(muster: Prompt, world: World) -> None:
    execution = await world.execution(await world.run(), "dev")
    await world.prints(execution, "1", "a\x1b]0;ti")
    await world.prints(execution, "1", "tle\x07b\x1b[2")
    await world.ends(execution, ExecutionState.PASSED)
    assert (await muster("logs", execution)).stdout == "ab␛[2"  # what never ended is shown, and does nothing


async def test_workers_in_logs(muster: Prompt, world: World) -> None:
    run = await world.run()
    parent = await world.execution(run, "dev")
    plan = Plan("suite", (step("1", "inner"),))
    worker = await world.execution(run, "dev", plan=plan, parent=(parent, "1", 7), kind=ChildKind.WORKER)
    await world.prints(worker, "1", "hi\n")
    assert (await muster("logs", "every-1")).stdout == "dev[7]   inner | hi\n"


# --- compare, why ------------------------------------------------------------------------------------------------


async def test_compare(muster: Prompt, world: World) -> None:
    await finished(world)
    assert (await muster.json("compare", "every-1"))["tables"][0]["rows"]
    assert (await muster("compare", "every-1")).stdout.count("◄ differs") >= 2
    assert (await muster("compare", "every-1", "-o", "markdown")).stdout.startswith("# every-1: failed")
    assert (await muster("compare", "every-1", "-o", "html")).stdout.startswith("<table")
    assert (await muster("compare", "every-1", "-o", "pdf")).exit_code == 2


async def test_no_column_for_differences_where_there_are_none(muster: Prompt, world: World) -> None:
    run = await world.run()
    execution = await world.execution(run, "dev")
    await world.steps(execution, {"1": 0})
    await world.ends(execution, ExecutionState.PASSED)
    text = (await muster("compare", "every-1")).stdout
    assert "| step / test" in text
    assert "differs" not in text
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {3}


async def test_why(muster: Prompt, world: World) -> None:
    _, executions = await finished(world)
    assert (await muster("why", "every-1")).stdout.startswith("every-1 failed.\n")
    assert (await muster("why", executions[1])).exit_code == 0
    assert (await muster.json("why", "every-1"))["sentences"]


# --- where -------------------------------------------------------------------------------------------------------


async def test_a_wrong_token(muster: Prompt) -> None:
    done = await muster("get", "runs", MUSTER_TOKEN="wrong")
    assert (done.exit_code, done.stderr) == (
        2,
        "error: the token was not accepted\n  it is in the file `token` of the state directory\n",
    )


@pytest.mark.parametrize("token", ["", " ", "ä", "a\nb"])
async def test_no_token(muster: Prompt, token: str) -> None:
    done = await muster("get", "runs", MUSTER_TOKEN=token)
    assert done.exit_code == 2
    assert "MUSTER_TOKEN" in done.stderr


async def test_nobody_there(muster: Prompt) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        done = await muster("get", "runs", MUSTER_URL=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert done.exit_code == 3
    assert done.stderr.endswith("  start one with `muster up`\n")


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://x", "http://[", "nonsense"])
async def test_no_address(muster: Prompt, url: str) -> None:
    done = await muster("get", "runs", MUSTER_URL=url)
    assert done.exit_code in (2, 3)
    assert done.stderr.startswith("error: ")


async def test_nothing_runs_here(muster: Prompt, tmp_path: Path) -> None:
    done = await muster("get", "runs", MUSTER_URL="", MUSTER_STATE=str(tmp_path))
    assert done.exit_code == 3
    assert f"no control plane runs on {tmp_path}" in done.stderr
    (tmp_path / "endpoint.json").write_text(json.dumps({"url": muster.url, "token": "correct-horse"}))
    assert (await muster("get", "runs", MUSTER_URL="", MUSTER_STATE=str(tmp_path))).exit_code == 0
    assert (await muster("get", "runs", "--state", str(tmp_path), MUSTER_URL="")).exit_code == 0
