"""``muster lint``, ``resolve``, ``plan``, ``schema``: what can be said of documents before anything runs, without a control plane.

Templates are looked for in the files given and in ``--templates``. Nothing here goes over a network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.text import Text

from muster.cli.attach import print_json
from muster.cli.catalog import documents
from muster.cli.outcome import Usage, err, runs, show_problems
from muster.cli.reading import Form, FormOption
from muster.cli.words import pairs
from workflow.lint import lint as examine
from workflow.model import Workflow, WorkflowTemplate, examine_documents, json_schema
from workflow.plan.build import build
from workflow.plan.describe import describe
from workflow.plan.nodes import Execute, Parallel, Plan, StartServices, leaves
from workflow.problems import InvalidDocument, Problem, errors, in_order
from workflow.resolve import dump
from workflow.resolve import resolve as apply_templates

Files = Annotated[
    list[str], typer.Argument(metavar="FILE|DIR...", help="Documents, or folders of them; - for standard input.")
]
File = Annotated[str, typer.Argument(metavar="FILE", help="A document; - for standard input.")]
Templates = Annotated[
    list[str] | None, typer.Option("--templates", metavar="FILE|DIR", help="Where templates that it uses stand.")
]
Config = Annotated[list[str] | None, typer.Option("--config", metavar="K=V", help="A parameter of the workflow.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (lint, plan, resolve, schema):
        app.command(command.__name__)(command)


@dataclass(frozen=True)
class Read:
    """What files hold, and every problem in them."""

    workflows: tuple[Workflow, ...]
    templates: dict[str, WorkflowTemplate]
    problems: tuple[Problem, ...]


def read(names: Sequence[str]) -> Read:
    """All documents of these files."""
    workflows: list[Workflow] = []
    templates: dict[str, WorkflowTemplate] = {}
    problems: list[Problem] = []
    for file, text in documents(list(names)):
        parsed = examine_documents(text, file)
        workflows += parsed.workflows
        templates |= {template.name: template for template in parsed.templates}
        problems += parsed.problems
    return Read(tuple(workflows), templates, tuple(problems))


def lint(
    files: Files,
    process: Annotated[
        bool,
        typer.Option("--process", help="It will run as local processes: warn of images, which cannot be honoured."),
    ] = False,
    output: FormOption = Form.TABLE,
) -> None:
    """Check documents: every problem, and warnings about what is probably not meant. Exit code 2 where there is an error."""
    runs(_lint(files, process, output))


async def _lint(files: list[str], process: bool, form: Form) -> int:
    found = read(files)
    problems = list(found.problems)
    for document in (*found.workflows, *found.templates.values()):
        problems += examine(document, honours_images=not process)
    ordered = in_order(problems)
    wrong = len(errors(ordered))
    if form is Form.JSON:
        print_json(Console(), [_plain(problem) for problem in ordered])
    else:
        show_problems(ordered)
        count = len(found.workflows) + len(found.templates)
        err.print(f"{count} documents read, {wrong} errors, {len(ordered) - wrong} warnings")
    return 2 if wrong else 0


def _plain(problem: Problem) -> dict[str, Any]:
    return {
        **asdict(problem.position),
        "severity": problem.severity,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "path": list(problem.path),
    }


def _resolved(file: str, templates: list[str], config: list[str]) -> list[Workflow]:
    """The file's workflows with templates and parameters applied."""
    found = read([file])
    if errors(found.problems):
        raise InvalidDocument(found.problems)
    if not found.workflows:
        raise Usage(f"there is no workflow in {file}")
    known = found.templates | (read(templates).templates if templates else {})
    given: dict[str, Any] = dict(pairs(config, "--config"))
    return [apply_templates(workflow, known, given) for workflow in found.workflows]


def resolve(file: File, templates: Templates = None, config: Config = None, output: FormOption = Form.TABLE) -> None:
    """Print a workflow as it is after templates and parameters."""
    runs(_resolve(file, templates or [], config or [], output))


async def _resolve(file: str, templates: list[str], config: list[str], form: Form) -> int:
    out = Console(highlight=False)
    data = [dump(workflow) for workflow in _resolved(file, templates, config)]
    if form is Form.JSON:
        print_json(out, data[0] if len(data) == 1 else data)
    else:
        out.file.write(yaml.safe_dump_all(data, sort_keys=False, allow_unicode=True))
    return 0


def plan(file: File, templates: Templates = None, config: Config = None, output: FormOption = Form.TABLE) -> None:
    """Show the steps as they will run, with their children, and where they may run."""
    runs(_plan(file, templates or [], config or [], output))


async def _plan(file: str, templates: list[str], config: list[str], form: Form) -> int:
    out = Console(highlight=False)
    plans = [build(workflow) for workflow in _resolved(file, templates, config)]
    if form is Form.JSON:
        print_json(out, [_tree(each) for each in plans] if len(plans) > 1 else _tree(plans[0]))
        return 0
    for each in plans:
        _show(out, each, 0)
    return 0


def _tree(plan: Plan) -> dict[str, Any]:
    return {
        "workflow": plan.workflow,
        "target": _target(plan),
        "orchestrates": plan.orchestrates_only,
        "steps": [asdict(line) for line in describe(plan)],
        "workers": {step.ref: _tree(inner) for step in leaves(plan.steps) for inner in _inner(step.body)},
    }


def _inner(body: object) -> tuple[Plan, ...]:
    match body:
        case Parallel(worker=worker):
            return (worker,)
        case StartServices(services=services):
            return tuple(service.worker for service in services)
        case _:
            return ()


def _target(plan: Plan) -> str:
    target = plan.target
    if target is None:
        return "any agent"
    said = [f"{key} in {', '.join(values)}" for key, values in target.match.items()]
    said += [f"{key} not in {', '.join(values)}" for key, values in target.exclude.items()]
    said += [f"a copy for each {key}" for key in target.replicate]
    return "; ".join(said) or "any agent"


def _show(out: Console, plan: Plan, depth: int) -> None:
    """One plan as an indented list."""
    where = "the control plane itself (no pod)" if plan.orchestrates_only else _target(plan)
    out.print(Text("  " * depth).append(plan.workflow, style="bold").append(f"  on {where}", style="dim"))
    steps = {step.ref: step for step in leaves(plan.steps)}
    for line in describe(plan):
        text = Text("  " * (depth + line.depth + 1)).append(f"{line.ref} ", style="dim")
        text.append(line.name).append(f"  {line.kind}", style="cyan")
        if line.condition not in ("passed", "true"):
            text.append(f"  when {line.condition}", style="yellow")
        out.print(text, soft_wrap=True)
        body = steps[line.ref].body if line.ref in steps else None
        if isinstance(body, Execute):
            for item in body.items:
                out.print(
                    Text(
                        "  " * (depth + line.depth + 2)
                        + f"-> {item.name or dict(item.selector)}{_items_target(item.target)}"
                    )
                )
        for inner in _inner(body):
            _show(out, inner, depth + line.depth + 2)


def _items_target(target: object) -> str:
    match = getattr(target, "match", None)
    return f"  on {'; '.join(f'{key} in {chr(44).join(values)}' for key, values in match.items())}" if match else ""


def schema(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write it; else standard output.")
    ] = None,
) -> None:
    """Print the JSON Schema of the documents, for editors."""
    text = json.dumps(json_schema(), indent=2) + "\n"
    if file:
        file.write_text(text)
    else:
        typer.echo(text, nl=False)
