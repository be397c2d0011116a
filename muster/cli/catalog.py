"""``muster apply`` and ``delete``: the workflows and templates that a control plane holds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from muster.cli.documents import contents, text
from muster.cli.outcome import INVALID, err, out_console, runs, show_problems
from muster.cli.where import State, Url, muster
from muster.client import InvalidInput
from workflow.problems import Problem
from workflow.terminal import one_line


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
    out, code = out_console(), 0
    async with muster(url, state) as client:
        for name, content in contents(files):
            document = text(content, name)
            if isinstance(document, Problem):
                show_problems([document])
                code = INVALID
                continue
            try:
                applied = await client.apply(document, name)
            except InvalidInput as error:
                show_problems(error.problems)
                code = INVALID
                continue
            show_problems(applied.problems)
            for each in applied.documents:
                out.print(Text(f"{each.kind} {one_line(each.name)} applied"), soft_wrap=True)
    return code


class Kind(StrEnum):
    """What ``muster delete`` forgets."""

    WORKFLOW = "workflow"
    TEMPLATE = "template"


def delete(kind: Kind, name: Annotated[str, typer.Argument()], url: Url = None, state: State = None) -> None:
    """Forget a workflow or template. Runs that use it go on."""
    runs(_delete(kind, name, url, state))


async def _delete(kind: Kind, name: str, url: str | None, state: Path | None) -> int:
    async with muster(url, state) as client:
        await client.delete("workflow" if kind is Kind.WORKFLOW else "template", name)
    err.print(Text(f"{kind} {name} deleted"))
    return 0
