"""``muster get``, ``logs``, ``artifacts``, ``compare``, ``why``: looking at what was and is."""

from __future__ import annotations

import hashlib
import sys
from contextlib import aclosing
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import typer
from rich.text import Text

from muster.cli.attach import print_json
from muster.cli.outcome import Usage, err, out_console, runs
from muster.cli.tables import (
    agents_table,
    artifacts_table,
    comparison_tables,
    documents_table,
    executions_table,
    run_tree,
    runs_table,
)
from muster.cli.where import State, Url, muster
from muster.client import Muster
from workflow.terminal import Neutraliser, neutralised
from workflow.views import ArtifactView, View


class Form(StrEnum):
    """What ``--output`` of a listing asks for."""

    TABLE = "table"
    JSON = "json"


class What(StrEnum):
    """What ``muster get`` lists."""

    WORKFLOWS = "workflows"
    TEMPLATES = "templates"
    RUNS = "runs"
    EXECUTIONS = "executions"
    AGENTS = "agents"


class ComparisonForm(StrEnum):
    """What ``muster compare --output`` asks for."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


FormOption = Annotated[Form, typer.Option("--output", "-o", help="A table for people, JSON for programs.")]
Subject = Annotated[str, typer.Argument(metavar="RUN|EXECUTION", help="Name or id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (get, logs, artifacts, compare, why):
        app.command(command.__name__)(command)


def get(
    what: What,
    name: Annotated[str | None, typer.Argument(help="One of them, in full.")] = None,
    output: FormOption = Form.TABLE,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many runs or executions at the most.")] = 50,
    url: Url = None,
    state: State = None,
) -> None:
    """List workflows, templates, runs, executions or agents; or show one."""
    runs(_get(what, name, output, limit, url, state))


async def _get(what: What, name: str | None, form: Form, limit: int, url: str | None, state: Path | None) -> int:
    out = out_console()
    now = datetime.now(UTC)
    async with muster(url, state) as client:
        values, table = await (_one(client, what, name) if name else _all(client, what, limit, now))
    if form is Form.JSON:
        rows = [value.model_dump(mode="json") for value in values]
        print_json(out, rows[0] if name else rows)
    elif isinstance(table, str):
        out.file.write(table)
    else:
        out.print(table)
    return 0


async def _all(client: Muster, what: What, limit: int, now: datetime) -> tuple[list[View], Any]:
    match what:
        case What.RUNS:
            found = await client.runs(limit=limit)
            return list(found), runs_table(found, now)
        case What.EXECUTIONS:
            listed = await client.executions(limit=limit)
            return list(listed), executions_table(listed)
        case What.AGENTS:
            agents = await client.agents()
            return list(agents), agents_table(agents, now)
        case What.WORKFLOWS | What.TEMPLATES:
            documents = await client.documents("workflow" if what is What.WORKFLOWS else "template")
            return list(documents), documents_table(documents, now)


async def _one(client: Muster, what: What, name: str) -> tuple[list[View], Any]:
    match what:
        case What.RUNS:
            run = await client.run(name)
            return [run], run_tree(run)
        case What.EXECUTIONS:
            execution = await client.execution(name)
            run = (await client.run(execution.run)).model_copy(update={"executions": (execution,)})
            return [execution], run_tree(run)
        case What.AGENTS:
            agents = [agent for agent in await client.agents() if agent.name == name]
            if not agents:
                raise Usage(f"there is no agent {name!r}: see `muster agents list`")
            return list(agents), agents_table(agents, datetime.now(UTC))
        case What.WORKFLOWS | What.TEMPLATES:
            document = await client.document("workflow" if what is What.WORKFLOWS else "template", name)
            return [document], document.text


def logs(
    subject: Subject,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
    step: Annotated[str | None, typer.Option("--step", help="Only this step: reference, id or name.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only on this agent.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="OFFSET",
            help="Only what comes behind this position of an execution (attempt.number, as --positions shows).",
        ),
    ] = None,
    positions: Annotated[bool, typer.Option("--positions", help="Show each piece's position before it.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Do not neutralise escape sequences.")] = False,
    url: Url = None,
    state: State = None,
) -> None:
    """Print what an execution, or all executions of a run, printed."""
    runs(_logs(subject, follow, step, agent, since, positions, raw, url, state))


async def _logs(
    subject: str,
    follow: bool,
    step: str | None,
    agent: str | None,
    since: str | None,
    positions: bool,
    raw: bool,
    url: str | None,
    state: Path | None,
) -> int:
    neutralisers: dict[tuple[str, str, str], Neutraliser] = {}
    async with (
        muster(url, state) as client,
        aclosing(client.logs(subject, since=since, follow=follow, step=step, agent=agent)) as pieces,
    ):
        async for piece in pieces:
            key = (piece.execution, piece.ref, piece.stream)
            text = piece.text if raw else neutralisers.setdefault(key, Neutraliser()).feed(piece.text)
            sys.stdout.write(f"[{piece.execution} {piece.position}] {text}" if positions else text)
            if follow:
                sys.stdout.flush()
    sys.stdout.flush()
    return 0


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
        if download is None:
            if form is Form.JSON:
                print_json(out, [artifact.model_dump(mode="json") for artifact in found])
            else:
                out.print(artifacts_table(found))
            return 0
        for artifact, path in _places(found, download).items():
            await _fetch(client, artifact, path)
            out.print(Text(str(path)), soft_wrap=True)
    if not found:
        err.print("the run has no artifacts")
    return 0


def _places(found: Any, folder: Path) -> dict[ArtifactView, Path]:
    """Where each goes: below its environment, and below its execution too where two executions of one environment
    store the same name.
    """
    wanted: dict[tuple[str, str], list[ArtifactView]] = {}
    for artifact in found:
        wanted.setdefault((artifact.where or "control-plane", artifact.name), []).append(artifact)
    places = {}
    for (where, name), artifacts in wanted.items():
        for artifact in artifacts:
            base = folder / where if len(artifacts) == 1 else folder / where / artifact.execution
            parts = PurePosixPath(name).parts
            if not parts or ".." in parts or name.startswith("/") or "\0" in name:
                raise Usage(f"the artifact's name {name!r} leads out of the folder; it was not fetched")
            places[artifact] = base.joinpath(*parts)
    return places


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
        raise Usage(f"{artifact.name} arrived damaged (its SHA-256 differs); try again")
    draft.replace(path)


def compare(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or id.")],
    output: Annotated[ComparisonForm, typer.Option("--output", "-o")] = ComparisonForm.TABLE,
    url: Url = None,
    state: State = None,
) -> None:
    """Compare the environments of a run: steps and test cases, differences marked."""
    runs(_compare(run, output, url, state))


async def _compare(run: str, form: ComparisonForm, url: str | None, state: Path | None) -> int:
    out = out_console()
    async with muster(url, state) as client:
        match form:
            case ComparisonForm.TABLE:
                for table in comparison_tables(await client.comparison(run), out.is_terminal):
                    out.print(table)
            case ComparisonForm.JSON:
                print_json(out, (await client.comparison(run)).model_dump(mode="json"))
            case ComparisonForm.MARKDOWN:
                out.file.write(await client.comparison_text(run, "markdown"))
            case ComparisonForm.HTML:
                out.file.write(await client.comparison_text(run, "html"))
    return 0


def why(subject: Subject, output: FormOption = Form.TABLE, url: Url = None, state: State = None) -> None:
    """Say why a run or an execution waits, or why it ended so."""
    runs(_why(subject, output, url, state))


async def _why(subject: str, form: Form, url: str | None, state: Path | None) -> int:
    out = out_console()
    async with muster(url, state) as client:
        explanation = await client.why(subject)
    if form is Form.JSON:
        print_json(out, explanation.model_dump(mode="json"))
        return 0
    for sentence in explanation.sentences:
        out.print(Text(neutralised(sentence)), soft_wrap=True)
    for line in explanation.tail:
        out.print(Text(f"  {neutralised(line)}", style="dim"), soft_wrap=True)
    return 0
