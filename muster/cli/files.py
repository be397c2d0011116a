"""``muster artifacts``: the files that a run left, listed or fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer
from rich.text import Text

from muster.cli.attach import print_json
from muster.cli.outcome import Usage, err, out_console, runs, show
from muster.cli.reading import Form, FormOption
from muster.cli.tables import artifacts_table
from muster.cli.where import State, Url, muster
from muster.client import ClientError, Muster
from workflow.terminal import one_line
from workflow.views import ArtifactView


class Damaged(ClientError):
    """What arrived is not what was stored."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("artifacts")(artifacts)


def artifacts(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or id.")],
    download: Annotated[
        Path | None, typer.Option("--download", metavar="DIR", help="Fetch them all: DIR/<environment>/<name>.")
    ] = None,
    output: FormOption = Form.TABLE,
    url: Url = None,
    state: State = None,
) -> None:
    """List a run's artifacts, or download them."""
    runs(_artifacts(run, download, output, url, state))


async def _artifacts(run: str, download: Path | None, form: Form, url: str | None, state: Path | None) -> int:
    out = out_console()
    async with muster(url, state) as client:
        found = await client.artifacts(run)
        if download is not None:
            for artifact, path in _places(found, download).items():
                await _fetch(client, artifact, path)
                if form is Form.TABLE:
                    out.print(Text(one_line(str(path), 4096)), soft_wrap=True)
    if form is Form.JSON:
        print_json(out, [artifact.model_dump(mode="json") for artifact in found])
    elif not found:
        err.print("the run has no artifacts")
    elif download is None:
        show(out, artifacts_table(found))
    return 0


def _places(found: Sequence[ArtifactView], folder: Path) -> dict[ArtifactView, Path]:
    """Where each goes: below its environment, and below its execution too where two executions of one environment
    store the same name.
    """
    wanted: dict[tuple[str, str], list[ArtifactView]] = {}
    for artifact in found:
        wanted.setdefault((artifact.where or "control-plane", artifact.name), []).append(artifact)
    places = {}
    for (where, name), artifacts in wanted.items():
        for artifact in artifacts:
            place = folder.joinpath(*_parts(where))
            base = place if len(artifacts) == 1 else place.joinpath(*_parts(artifact.execution))
            places[artifact] = base.joinpath(*_parts(name))
    return places


def _parts(name: str) -> tuple[str, ...]:
    """An artifact's name as parts of a path. Usage where it leads out of the folder that was named."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or name.startswith("/") or "\0" in name:
        raise Usage(f"the name {name!r} of an artifact leads out of the folder; nothing was fetched")
    return parts


async def _fetch(client: Muster, artifact: ArtifactView, path: Path) -> None:
    """Fetch one, compare it with its digest, and only then give it its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    digest = hashlib.sha256()
    with draft.open("wb") as file:
        async with aclosing(client.artifact(artifact.execution, artifact.name)) as parts:
            async for part in parts:
                digest.update(part)
                file.write(part)
    if f"sha256:{digest.hexdigest()}" != artifact.digest:
        draft.unlink()
        raise Damaged(f"{one_line(artifact.name)} arrived damaged (its SHA-256 differs)", "try again")
    draft.replace(path)
