"""``muster apply`` and ``delete``: the workflows and templates that a control plane holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from muster.cli.outcome import Usage, out_console, runs, show_problems
from muster.cli.where import State, Url, muster

SUFFIXES = {".yaml", ".yml", ".json"}
MAX_FILES = 5000


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("apply")(apply)
    app.command("delete")(delete)


def apply(
    files: Annotated[
        list[str],
        typer.Option("--file", "-f", metavar="FILE|DIR", help="Documents, or folders of them; - for standard input."),
    ],
    url: Url = None,
    state: State = None,
) -> None:
    """Store workflows and templates. A file is stored whole or not at all; every file's problems are shown."""
    runs(_apply(files, url, state))


async def _apply(files: list[str], url: str | None, state: Path | None) -> int:
    from muster.client import InvalidInput

    out, code = out_console(), 0
    async with muster(url, state) as client:
        for name, text in documents(files):
            try:
                applied = await client.apply(text, name)
            except InvalidInput as error:
                show_problems(error.problems)
                code = 2
                continue
            show_problems(applied.problems)
            for document in applied.documents:
                out.print(f"{document.kind} {document.name} applied")
    return code


def documents(names: list[str]) -> list[tuple[str, str]]:
    """(name, text) of every file meant: folders opened, in order of their paths. Usage where there is none, or too
    many.
    """
    found: list[tuple[str, str]] = []
    for name in names:
        if name == "-":
            found.append(("<stdin>", sys.stdin.read()))
            continue
        path = Path(name)
        if not path.exists():
            raise Usage(f"there is no file {name}")
        paths = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file()) if path.is_dir() else [path]
        if not paths:
            raise Usage(f"there is no .yaml, .yml or .json file in {name}")
        for file in paths:
            try:
                found.append((str(file), file.read_text()))
            except UnicodeDecodeError as error:
                raise Usage(f"{file} is not UTF-8 text: byte {error.start} is not") from error
    if len(found) > MAX_FILES:
        raise Usage(f"{len(found)} files are too many at once; at most {MAX_FILES}")
    return found


def delete(
    kind: Annotated[str, typer.Argument(metavar="workflow|template")],
    name: Annotated[str, typer.Argument()],
    url: Url = None,
    state: State = None,
) -> None:
    """Forget a workflow or template. Runs that use it go on."""
    runs(_delete(kind, name, url, state))


async def _delete(kind: str, name: str, url: str | None, state: Path | None) -> int:
    async with muster(url, state) as client:
        match kind.rstrip("s"):
            case "workflow":
                await client.delete("workflow", name)
            case "template":
                await client.delete("template", name)
            case _:
                raise Usage(f"{kind!r} is neither workflow nor template")
    return 0
