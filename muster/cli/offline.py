"""``muster lint``, ``resolve``, ``plan``, ``schema``: what can be said of documents before anything runs, without a
control plane.

Templates and executed workflows are looked for in the files given and in ``--templates``. Nothing goes over a network,
except where ``--online`` asks a control plane which agents there are.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
import yaml

from muster.cli.attach import print_json
from muster.cli.forecast import data, lines
from muster.cli.outcome import Usage, err, out_console, runs, show_problems
from muster.cli.papers import Papers
from muster.cli.parameters import parameters
from muster.cli.reading import Form, FormOption
from muster.cli.where import State, Url, muster
from muster.cli.words import pairs
from workflow.forecast import forecast
from workflow.labels import BUILT_IN, Labels, agent_labels
from workflow.lint import lint as examine
from workflow.model import Workflow, WorkflowExecution, WorkflowTemplate, json_schema
from workflow.plan.build import build
from workflow.problems import InvalidDocument, Problem, Severity, errors, in_order
from workflow.resolve import dump
from workflow.resolve import resolve as apply_templates

Files = Annotated[
    list[str], typer.Argument(metavar="FILE|DIR...", help="Documents, or folders of them; - for standard input.")
]
File = Annotated[str, typer.Argument(metavar="FILE|DIR", help="Documents; - for standard input.")]
Templates = Annotated[
    list[str] | None,
    typer.Option("--templates", metavar="FILE|DIR", help="Where templates and workflows stand that it uses."),
]
Config = Annotated[
    list[str] | None,
    typer.Option("--config", metavar="K=V|@FILE", help="A parameter; K=@FILE or K=@- for standard input."),
]
Only = Annotated[str | None, typer.Option("--workflow", metavar="NAME", help="This one, where the files hold several.")]
Agents = Annotated[
    list[str] | None,
    typer.Option("--agent", metavar="NAME[:K=V,...]", help="An agent that will be there, with its labels."),
]
Online = Annotated[bool, typer.Option("--online", help="Ask the control plane which agents there are.")]
Chosen: TypeAlias = "tuple[Workflow, Mapping[str, bool | int | float | str]]"
"""A workflow that is meant, and the parameters that its request gives."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (lint, plan, resolve, schema):
        app.command(command.__name__)(command)


# --- lint --------------------------------------------------------------------------------------------------------


def lint(
    files: Files,
    templates: Templates = None,
    process: Annotated[
        bool,
        typer.Option("--process", help="It will run as local processes: warn of images, which cannot be honoured."),
    ] = False,
    agent: Agents = None,
    online: Online = False,
    output: FormOption = Form.TABLE,
    url: Url = None,
    state: State = None,
) -> None:
    """Check documents: every problem of every file, and warnings about what is probably not meant. Exit code 2 where
    there is an error."""
    runs(_lint(files, templates or [], process, _Fleet(agent or [], online, url, state), output))


async def _lint(files: list[str], templates: list[str], process: bool, fleet: _Fleet, form: Form) -> int:
    agents = await fleet.labels()
    papers = Papers().take(files)
    checked, count, images = list(papers.workflows), papers.documents, not (process or fleet.only_processes)
    problems: list[Problem] = []
    documents: list[Workflow | WorkflowTemplate] = [*papers.workflows, *papers.templates.values()]
    for document in documents:
        problems += examine(document, honours_images=images, agents=agents)
    papers.take(templates)
    for workflow in checked:
        problems += _deeper(workflow, papers)
    ordered = in_order([*papers.problems, *problems])
    wrong = len(errors(ordered))
    if form is Form.JSON:
        print_json(out_console(), [_plain(problem) for problem in ordered])
    else:
        show_problems(ordered)
        err.print(f"{count} documents read, {wrong} errors, {len(ordered) - wrong} warnings")
    return 2 if wrong else 0


def _deeper(workflow: Workflow, papers: Papers) -> list[Problem]:
    """What only resolving and planning find. Parameters are not given yet, and templates may stand elsewhere."""
    try:
        build(apply_templates(workflow, papers.templates, {}))
    except InvalidDocument as refused:
        missing = [each for each in refused.problems if each.code == "unknown-template"]
        others = [each for each in refused.problems if each.code != "unknown-template" and not _not_given(each)]
        return [*others, *(_elsewhere(each) for each in missing)]
    return []


def _not_given(problem: Problem) -> bool:
    return problem.code == "missing-parameter" and problem.position.file.partition(" ")[0] == "config"


def _elsewhere(problem: Problem) -> Problem:
    message = f"{problem.message} among these files, so what it adds was not checked"
    return replace(problem, severity=Severity.WARNING, message=message, hint=problem.hint or "name it with --templates")


def _plain(problem: Problem) -> dict[str, Any]:
    return {
        **asdict(problem.position),
        "severity": problem.severity,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "path": list(problem.path),
    }


# --- resolve -----------------------------------------------------------------------------------------------------


def resolve(
    file: File,
    templates: Templates = None,
    config: Config = None,
    workflow: Only = None,
    output: FormOption = Form.TABLE,
) -> None:
    """Print a workflow as it is after templates and parameters."""
    runs(_resolve(file, templates or [], config or [], workflow, output))


async def _resolve(file: str, templates: list[str], config: list[str], only: str | None, form: Form) -> int:
    papers, chosen = _read(file, templates, only)
    given = parameters(config, stdin_taken=file == "-")
    found = [dump(apply_templates(each, papers.templates, {**own, **given})) for each, own in chosen]
    out = out_console()
    if form is Form.JSON:
        print_json(out, found[0] if len(found) == 1 else found)
    else:
        out.file.write(yaml.safe_dump_all(found, sort_keys=False, allow_unicode=True))
    return 0


def _read(file: str, templates: list[str], only: str | None) -> tuple[Papers, list[Chosen]]:
    """Everything read, and the workflows that are meant. Usage; InvalidDocument with all problems of all files."""
    papers = Papers().take([file])
    chosen: list[Chosen] = [(workflow, {}) for workflow in papers.workflows]
    papers.take(templates)
    if papers.broken:
        raise InvalidDocument(papers.problems)
    show_problems(papers.problems)
    try:
        if only is not None:
            return papers, [(papers.workflow(only), {})]
        if not chosen:
            chosen = [_requested(request, papers) for request in papers.requests]
    except LookupError as error:
        raise Usage(str(error.args[0])) from None
    if not chosen:
        raise Usage(f"there is no TestWorkflow in {file}")
    return papers, chosen


def _requested(request: WorkflowExecution, papers: Papers) -> Chosen:
    """What a TestWorkflowExecution asks for."""
    how = request.spec.execution_request
    return papers.workflow(request.spec.test_workflow.name), dict(how.config) if how is not None else {}


# --- plan --------------------------------------------------------------------------------------------------------


def plan(
    file: File,
    templates: Templates = None,
    config: Config = None,
    workflow: Only = None,
    agent: Agents = None,
    online: Online = False,
    output: FormOption = Form.TABLE,
    url: Url = None,
    state: State = None,
) -> None:
    """Show what will run: executions, steps, workers, their pods, and where each may run."""
    fleet = _Fleet(agent or [], online, url, state)
    runs(_plan(file, templates or [], config or [], workflow, fleet, output))


async def _plan(file: str, templates: list[str], config: list[str], only: str | None, fleet: _Fleet, form: Form) -> int:
    agents = await fleet.labels()
    papers, chosen = _read(file, templates, only)
    given = parameters(config, stdin_taken=file == "-")
    found = [
        forecast(build(apply_templates(each, papers.templates, {**own, **given})), papers, agents)
        for each, own in chosen
    ]
    out = out_console()
    if form is Form.JSON:
        print_json(out, data(found[0]) if len(found) == 1 else data(found))
        return 0
    for execution in found:
        for line in lines(execution):
            out.print(line, soft_wrap=True)
    return 0


class _Fleet:
    """The agents that are known: named by hand, or asked for."""

    def __init__(self, named: Sequence[str], online: bool, url: str | None, state: Path | None) -> None:
        self._named = named
        self._online, self._url, self._state = online, url, state
        self.only_processes = False
        """Whether the control plane was asked and has agents, none of which has containers."""

    async def labels(self) -> Mapping[str, Labels] | None:
        """Labels by agent; None where nothing is known. Usage, ClientError, NotRunning."""
        named = [_agent(text) for text in self._named]
        found = {name: agent_labels(labels, id=name, name=name) for name, labels in named}
        if self._online:
            async with muster(self._url, self._state) as client:
                there = [each for each in await client.agents() if each.state in ("active", "draining")]
            found |= {each.name: agent_labels(each.labels, id=each.name, name=each.name) for each in there}
            self.only_processes = bool(there) and all(each.executor == "process" for each in there)
        return found if self._named or self._online else None


def _agent(text: str) -> tuple[str, dict[str, str]]:
    name, _, said = text.partition(":")
    labels = pairs(said.split(","), "--agent") if said else {}
    if not name or (wrong := sorted(set(labels) & set(BUILT_IN))):
        reason = f"the label {wrong[0]!r} cannot be given" if name else "it has no name"
        raise Usage(f"--agent takes NAME or NAME:K=V,K=V, not {text!r}: {reason}")
    return name, labels


# --- schema ------------------------------------------------------------------------------------------------------


def schema(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write it; else standard output.")
    ] = None,
) -> None:
    """Print the JSON Schema of the documents, for editors."""
    runs(_schema(file))


async def _schema(file: Path | None) -> int:
    text = json.dumps(json_schema(), indent=2) + "\n"
    if file is None:
        sys.stdout.write(text)
    else:
        await asyncio.to_thread(file.write_text, text)
    return 0
