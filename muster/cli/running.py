"""``muster run``, ``cancel``, ``pause``, ``resume``: starting runs and steering them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from muster.cli.attach import Output, attach, print_json
from muster.cli.documents import STDIN, SUFFIXES, content_of, text
from muster.cli.outcome import Usage, err, out_console, runs
from muster.cli.parameters import parameters
from muster.cli.where import State, Url, muster
from muster.cli.words import choices, pairs
from workflow.problems import InvalidDocument, Problem
from workflow.terminal import one_line
from workflow.views import NewRun


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run)
    app.command("cancel")(cancel)
    app.command("pause")(pause)
    app.command("resume")(resume)


def run(
    workflow: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME", help="A document (- for standard input), or the name of an applied workflow."
        ),
    ],
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="K=V[,V2]", help="Run on agents with this label; again: all must hold."),
    ] = None,
    target_not: Annotated[
        list[str] | None, typer.Option("--target-not", metavar="K=V[,V2]", help="Not on agents with this label.")
    ] = None,
    replicate: Annotated[
        list[str] | None, typer.Option("--replicate", metavar="LABEL", help="One copy for each value of this label.")
    ] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config", metavar="K=V|@FILE", help="A parameter; K=@FILE or K=@- (standard input) for secrets."
        ),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="K=V", help="A tag of the run.")] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Idempotency key: the same key gives the first run again.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Start it and print its name.")] = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="What stands on standard output at the end.")
    ] = Output.TABLE,
    url: Url = None,
    state: State = None,
) -> None:
    """Run a workflow and follow it in every environment. Exit code: 0 passed, 1 failed, 2 invalid, 3 aborted,
    cancelled or lost.
    """
    runs(
        _run(
            workflow,
            target or [],
            target_not or [],
            replicate or [],
            config or [],
            tag or [],
            key,
            detach,
            output,
            url,
            state,
        )
    )


async def _run(
    workflow: str,
    target: list[str],
    target_not: list[str],
    replicate: list[str],
    config: list[str],
    tag: list[str],
    key: str | None,
    detach: bool,
    output: Output,
    url: str | None,
    state: Path | None,
) -> int:
    new = NewRun(
        **_source(workflow),
        config=dict(parameters(config, stdin_taken=workflow == "-")),
        target=_target(target, target_not, replicate),
        tags=pairs(tag, "--tag"),
        key=key,
    )
    async with muster(url, state) as client:
        started = await client.submit(new)
        if detach:
            out = out_console()
            if output is Output.JSON:
                print_json(out, started.model_dump(mode="json"))
            else:
                out.print(Text(one_line(started.name)), soft_wrap=True)
            return 0
        return await attach(client, started, output)


def _source(workflow: str) -> dict[str, Any]:
    """What the argument means: standard input, a file, or a name. InvalidDocument where a file cannot be read."""
    path = Path(workflow)
    looks_like_a_file = path.suffix in SUFFIXES or "/" in workflow
    if workflow != "-" and not (looks_like_a_file or path.is_file()):
        return {"workflow": workflow}
    if path.is_dir():
        raise Usage(f"{workflow} is a folder: `muster apply -f {workflow}`, then run one of its workflows by name")
    if workflow != "-" and not path.exists():
        raise Usage(f"there is no file {workflow}")
    name = STDIN if workflow == "-" else workflow
    document = text(content_of(workflow if workflow == "-" else path), name)
    if isinstance(document, Problem):
        raise InvalidDocument([document])
    return {"document": document, "file": name}


def _target(match: list[str], exclude: list[str], replicate: list[str]) -> dict[str, Any] | None:
    parts: dict[str, Any] = {}
    if match:
        parts["match"] = choices(match, "--target")
    if exclude:
        parts["not"] = choices(exclude, "--target-not")
    if replicate:
        parts["replicate"] = [label for text in replicate for label in text.split(",") if label]
    return parts or None


Name = Annotated[str, typer.Argument(metavar="RUN", help="A run's name or id.")]


def cancel(run: Name, url: Url = None, state: State = None) -> None:
    """End a run; its steps are stopped, its pods removed."""
    runs(_steer("cancel", run, url, state))


def pause(run: Name, url: Url = None, state: State = None) -> None:
    """Let a run start no further step."""
    runs(_steer("pause", run, url, state))


def resume(run: Name, url: Url = None, state: State = None) -> None:
    """Let a paused run go on."""
    runs(_steer("resume", run, url, state))


_STEERED = {"cancel": "it is being ended", "pause": "no further step starts", "resume": "it goes on"}


async def _steer(what: str, run: str, url: str | None, state: Path | None) -> int:
    async with muster(url, state) as client:
        match what:
            case "cancel":
                view = await client.cancel(run)
            case "pause":
                view = await client.pause(run)
            case _:
                view = await client.resume(run)
        err.print(Text(f"{view.name}: {_STEERED[what]}; the run is {view.verdict}"))
    return 0
