"""``muster apply`` and ``delete``."""

from __future__ import annotations

from pathlib import Path

import pytest

from muster.cli.documents import MAX_BYTES
from tests.muster.cli.conftest import Prepared, Prompt
from workflow import source
from workflow.problems import InvalidDocument, Position, Problem


def test_the_limit_is_the_languages() -> None:
    assert MAX_BYTES == source.MAX_BYTES


async def test_files_and_folders(muster: Prompt, played: Prepared, tmp_path: Path) -> None:
    for name in ("b.yaml", "a/c.yml", "a/d.json", "a/ignored.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    done = await muster("apply", "-f", str(tmp_path), "-f", "-", given="typed")
    assert (done.exit_code, done.stdout) == (0, "workflow a applied\n" * 4)
    files = [f"{tmp_path}/{name}" for name in ("a/c.yml", "a/d.json", "b.yaml")]
    assert [heard[2] for heard in played.heard] == [*files, "<stdin>"]  # type: ignore[index]


async def test_a_bad_file_does_not_hide_the_others(muster: Prompt, played: Prepared, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_text("wrong")
    (tmp_path / "d.yaml").write_text("right")
    played.fails = InvalidDocument([Problem("bad", "unknown field", Position("c.yaml", 1, 1))])
    done = await muster("apply", *(f"-f{tmp_path}/{name}.yaml" for name in "acd"))
    assert (done.exit_code, done.stdout) == (2, "workflow a applied\n")
    assert done.stderr.splitlines() == [
        f"{tmp_path}/a.yaml:1:1: error: this is not UTF-8 text (save it as UTF-8)",
        "c.yaml:1:1: error: unknown field",
    ]


@pytest.mark.parametrize("name", ["none.yaml", "loop.yaml", "empty"])
async def test_nothing_to_apply(muster: Prompt, played: Prepared, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    done = await muster("apply", "-f", str(tmp_path / name))
    assert (done.exit_code, done.stderr[:7], played.heard) == (2, "error: ", [])


async def test_delete(muster: Prompt) -> None:
    assert (await muster("delete", "workflow", "a")).stderr == "workflow a deleted\n"
    assert (await muster("delete", "template", "b")).exit_code == 2
    assert (await muster("delete", "run", "b")).exit_code == 2
