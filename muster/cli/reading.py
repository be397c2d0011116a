"""``muster get``, ``compare``, ``why``: looking at what was and is."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from muster.cli.attach import print_json
from muster.cli.outcome import Usage, err, out_console, runs, show
from muster.cli.tables import (
    agents_table,
    comparison_tables,
    documents_table,
    executions_table,
    run_tree,
    runs_table,
)
from muster.cli.where import State, Url, muster
from muster.client import Muster
from workflow.terminal import neutralised
from workflow.views import View


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
    for command in (get, compare, why):
        app.command(command.__name__)(command)


def get(
    what: What,
    name: Annotated[str | None, typer.Argument(help="One of them, in full.")] = None,
    output: FormOption = Form.TABLE,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many runs or executions at the most.")] = 50,
    run: Annotated[str | None, typer.Option("--run", help="Executions: those of this run, not those now open.")] = None,
    url: Url = None,
    state: State = None,
) -> None:
    """List workflows, templates, runs, executions or agents; or show one."""
    runs(_get(what, name, output, limit, run, url, state))


async def _get(
    what: What, name: str | None, form: Form, limit: int, run: str | None, url: str | None, state: Path | None
) -> int:
    out = out_console()
    async with muster(url, state) as client:
        values, table = await (_one(client, what, name) if name else _all(client, what, limit, run))
    if form is Form.JSON:
        rows = [value.model_dump(mode="json") for value in values]
        print_json(out, rows[0] if name else rows)
    elif not values:
        err.print(Text(_NOTHING[what]))
    elif isinstance(table, str):
        out.file.write(neutralised(table) if out.is_terminal else table)
    else:
        show(out, table)
    return 0


_NOTHING = {
    What.WORKFLOWS: "no workflow is applied yet: muster apply -f FILE",
    What.TEMPLATES: "no template is applied yet: muster apply -f FILE",
    What.RUNS: "there was no run yet: muster run FILE",
    What.EXECUTIONS: "no execution is open; those of one run: muster get executions --run RUN",
    What.AGENTS: "there is no agent yet: muster agents create NAME --label environment=dev",
}


async def _all(client: Muster, what: What, limit: int, run: str | None) -> tuple[list[View], Any]:
    now = datetime.now(UTC)
    match what:
        case What.RUNS:
            found = await client.runs(limit=limit)
            return list(found), runs_table(found, now)
        case What.EXECUTIONS:
            of = (await client.run(run)).id if run else None
            listed = await client.executions(run=of, limit=limit)
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
                    show(out, table)
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
    if explanation.notes:
        out.print(Text("What the cluster says of its pod:"))
    for note in explanation.notes:
        out.print(Text(f"  {neutralised(note)}"), soft_wrap=True)
    if explanation.notes and explanation.tail:
        out.print(Text("The last lines of the step:"))
    for line in explanation.tail:
        out.print(Text(f"  {neutralised(line)}", style="dim"), soft_wrap=True)
    return 0
