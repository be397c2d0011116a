"""``muster run``, ``cancel``, ``pause``, ``resume``."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from control_plane.ports.store import Unavailable
from tests.control_plane.web.test_api import finished
from tests.control_plane.world import World
from tests.muster.cli.conftest import Prepared, Prompt
from workflow.problems import InvalidDocument, Position, Problem
from workflow.states import ExecutionState, Verdict
from workflow.views import NewRun

DOCUMENT = "kind: TestWorkflow # ä\n"


def submitted(played: Prepared) -> NewRun:
    heard = played.heard[-1]
    assert isinstance(heard, tuple)
    new = heard[1]
    assert isinstance(new, NewRun)
    return new


async def test_a_run_to_its_end(muster: Prompt, world: World, played: Prepared) -> None:
    played.prepared, executions = await finished(world)
    done = await muster("run", "every")
    assert done.exit_code == 1
    assert f"dev      build | hello from {executions[0]} ä" in done.stdout.splitlines()
    assert "◄ differs" in done.stdout
    assert "every-1 failed." in done.stdout
    assert done.stdout.splitlines()[-1].startswith("✗ failed  every-1")
    assert not [line for line in done.stdout.splitlines() if line != line.rstrip() and "|" not in line]


@pytest.mark.parametrize(
    ("state", "verdict", "code"),
    [
        (ExecutionState.PASSED, Verdict.PASSED, 0),
        (ExecutionState.FAILED, Verdict.FAILED, 1),
        (ExecutionState.ABORTED, Verdict.ABORTED, 3),
        (ExecutionState.CANCELED, Verdict.CANCELED, 3),
    ],
)
async def test_exit_codes(
    muster: Prompt, world: World, played: Prepared, state: ExecutionState, verdict: Verdict, code: int
) -> None:
    played.prepared = await world.run()
    await world.ends(await world.execution(played.prepared, "dev"), state)
    await world.run_ends(played.prepared, verdict)
    assert (await muster("run", "every")).exit_code == code


async def test_a_run_of_whose_output_something_is_missing_says_so(
    muster: Prompt, world: World, played: Prepared
) -> None:
    words = "Not all that was printed was kept"
    played.prepared = await world.run()
    execution = await world.execution(played.prepared, "dev")
    await world.ends(execution, ExecutionState.PASSED)
    await world.run_ends(played.prepared, Verdict.PASSED)
    assert words not in (await muster("run", "every")).stdout
    await world.change(execution, log_incomplete=True)
    done = await muster("run", "every")
    assert (words in done.stdout, done.exit_code) == (True, 0)
    told = json.loads((await muster("run", "every", "--output", "json")).stdout)
    assert (told["run"]["logIncomplete"], told["run"]["executions"][0]["logIncomplete"]) == (True, True)


async def test_output_for_programs(muster: Prompt, world: World, played: Prepared) -> None:
    played.prepared, _ = await finished(world)
    done = await muster("run", "every", "--output", "json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["run"]["verdict"], told["comparison"]["run"]) == (1, "failed", "every-1")
    assert "hello from" in done.stderr
    done = await muster("run", "every", "--output", "junit")
    assert ElementTree.fromstring(done.stdout).tag == "testsuites"
    assert done.exit_code == 1


async def test_what_is_submitted(muster: Prompt, played: Prepared) -> None:
    words = "--target env=dev,qa --target zone=1 --target-not env=prod --replicate a,b --replicate c --config x=1=2"
    done = await muster("run", "every", *words.split(), "--tag", "t=", "--key", "k", "--detach")
    assert (done.exit_code, done.stdout) == (0, "every-1\n")
    new = submitted(played)
    assert (new.workflow, new.document, new.config, new.tags, new.key) == ("every", None, {"x": "1=2"}, {"t": ""}, "k")
    assert new.target == {
        "match": {"env": ["dev", "qa"], "zone": ["1"]},
        "not": {"env": ["prod"]},
        "replicate": ["a", "b", "c"],
    }


async def test_detached_as_json(muster: Prompt) -> None:
    assert (await muster.json("run", "every", "-d"))["name"] == "every-1"


@pytest.mark.parametrize("name", ["w.yaml", "plain"])
async def test_a_document(muster: Prompt, played: Prepared, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("\ufeff" + DOCUMENT)
    assert (await muster("run", str(tmp_path / name), "-d")).exit_code == 0
    assert (submitted(played).document, submitted(played).file) == (DOCUMENT, str(tmp_path / name))


async def test_a_document_on_standard_input(muster: Prompt, played: Prepared) -> None:
    assert (await muster("run", "-", "-d", given=DOCUMENT)).exit_code == 0
    assert (submitted(played).document, submitted(played).file) == (DOCUMENT, "<stdin>")


async def test_problems_with_their_places(muster: Prompt, played: Prepared) -> None:
    first = Problem("unknown-field", "unknown field 'shel'", Position("f.yaml", 3, 5), hint="did you mean shell?")
    played.fails = InvalidDocument([first, Problem("bad", "wrong \x1b[2J", Position("f.yaml", 9, 1))])
    done = await muster("run", "-", given=DOCUMENT)
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "f.yaml:3:5: error: unknown field 'shel' (did you mean shell?)",
        "f.yaml:9:1: error: wrong",
        "error: the document has 2 problems",
    ]
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("{folder}/none.yaml",), "there is no file"),
        (("{folder}/none",), "there is no file"),
        (("{folder}",), "is a folder: `muster apply -f"),
        (("{folder}/latin.yaml",), "latin.yaml:2:4: error: this is not UTF-8 text (save it as UTF-8)"),
        (("{folder}/large.yaml",), "the file is larger than 1 MiB"),
        (("{folder}/loop.yaml",), "there is no file"),
        (("every", "--target", "x"), "--target takes KEY=VALUE, not 'x'"),
        (("every", "--config", "=x"), "--config takes KEY=VALUE, not '=x'"),
        (("every", "--tag", "a=1", "--tag", "a=2"), "--tag names 'a' twice"),
    ],
)
async def test_input_that_cannot_be(
    muster: Prompt, played: Prepared, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: 1\nä: ".encode() + b"\xff\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * (1024 * 1024 + 1))
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    done = await muster("run", *(word.replace("{folder}", str(tmp_path)) for word in words))
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert not played.heard


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (LookupError("there is no workflow 'x'"), 2, "there is no workflow 'x'\n  list what there is"),
        (ValueError("no agent has the label y"), 2, "no agent has the label y"),
        (Unavailable("the disk is full"), 3, "the disk is full\n  nothing was changed; try again"),
        (RuntimeError("secret inside"), 3, "something is wrong in the control plane"),
    ],
)
async def test_what_the_control_plane_refuses(
    muster: Prompt, played: Prepared, error: Exception, code: int, sentence: str
) -> None:
    played.fails = error
    done = await muster("run", "x")
    assert done.exit_code == code
    assert f"error: {sentence}" in done.stderr


async def test_words_that_do_not_fit(muster: Prompt) -> None:
    for words in (("run",), ("run", "x", "--outputt", "json"), ("run", "x", "-o", "xml"), ("ran", "x"), ()):
        assert (await muster(*words)).exit_code == 2
    assert "'run'" in (await muster("ran")).stderr


async def test_steering(muster: Prompt, played: Prepared) -> None:
    await muster("run", "every", "-d")
    assert (await muster("pause", "every-1")).stderr == "every-1: no further step starts; the run is pending\n"
    assert (await muster("resume", "every-1")).stderr == "every-1: it goes on; the run is pending\n"
    assert (await muster("cancel", "every-1")).stderr == "every-1: it is being ended; the run is canceled\n"
    assert [heard[0] for heard in played.heard] == ["submit", "pause", "resume", "cancel"]  # type: ignore[index]
    for command in ("pause", "resume", "cancel"):
        done = await muster(command, "nobody")
        assert (done.exit_code, "there is no run 'nobody'" in done.stderr) == (2, True)
