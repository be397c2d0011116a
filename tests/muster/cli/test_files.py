"""``muster artifacts``: listed, fetched whole or not at all, never outside the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.services.artifacts import Artifacts
from muster.cli.files import _places
from muster.cli.outcome import Usage
from tests.control_plane.web.test_api import finished
from tests.control_plane.world import World
from tests.muster.cli.conftest import Prompt
from workflow.views import ArtifactView


async def test_the_list(muster: Prompt, world: World) -> None:
    _, executions = await finished(world)
    rows = [line.split() for line in (await muster("artifacts", "every-1")).stdout.splitlines()]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("WHERE", "NAME", "EXECUTION"),
        ("dev", "out/junit.xml", executions[0]),
        ("prod", "out/junit.xml", executions[1]),
    ]
    assert [one["where"] for one in await muster.json("artifacts", "every-1")] == ["dev", "prod"]


async def test_none(muster: Prompt, world: World) -> None:
    await world.execution(await world.run(), "dev")
    done = await muster("artifacts", "every-1")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "the run has no artifacts\n")


async def test_download(muster: Prompt, world: World, tmp_path: Path) -> None:
    await finished(world)
    done = await muster("artifacts", "every-1", "--download", str(tmp_path / "new"))
    places = [tmp_path / "new" / where / "out" / "junit.xml" for where in ("dev", "prod")]
    assert done.stdout.splitlines() == [str(place) for place in places]
    assert all(place.read_bytes().startswith(b"<") for place in places)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["junit.xml"] * 2


async def test_what_arrives_damaged_gets_no_name(
    muster: Prompt, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await finished(world)
    read = Artifacts.read

    async def damaged(self: Artifacts, digest: str, start: int, size: int):  # type: ignore[no-untyped-def]
        async for part in read(self, digest, start, size):
            yield part[:-1] + b"?"

    monkeypatch.setattr(Artifacts, "read", damaged)
    done = await muster("artifacts", "every-1", "--download", str(tmp_path))
    assert done.exit_code == 3
    assert "out/junit.xml arrived damaged" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def view(name: str, where: str = "dev", execution: str = "e1") -> ArtifactView:
    return ArtifactView(execution=execution, where=where, ref="1", name=name, size=1, digest="sha256:0")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "", ".", "a\0b", ".."])
def test_names_that_lead_out(name: str) -> None:
    for one in (view(name), view("x", where=name or "..")):
        with pytest.raises(Usage, match="leads out of the folder"):
            _places([one], Path("here"))


def test_the_same_name_twice_in_an_environment() -> None:
    found = [view("r.xml"), view("r.xml", execution="e2"), view("r.xml", where="prod", execution="e3")]
    assert [str(path) for path in _places(found, Path("here")).values()] == [
        "here/dev/e1/r.xml",
        "here/dev/e2/r.xml",
        "here/prod/r.xml",
    ]


async def test_a_folder_that_cannot_be(muster: Prompt, world: World, tmp_path: Path) -> None:
    await finished(world)
    (tmp_path / "file").write_text("")
    done = await muster("artifacts", "every-1", "--download", str(tmp_path / "file"))
    assert done.exit_code == 2
    assert "Not a directory" in done.stderr
