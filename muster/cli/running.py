"""``muster run``, ``cancel``, ``pause``, ``resume``: starting runs and steering them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from muster.cli.attach import Output, attach, print_json
from muster.cli.outcome import Usage, err, out_console, runs
from muster.cli.where import State, Url, muster
from muster.cli.words import choices, pairs
from workflow.views import NewRun

MAX_DOCUMENT = 1024 * 1024
"""Bytes of a document that is read from a file or standard input; the server refuses more anyway."""


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
        list[str] | None, typer.Option("--config", metavar="K=V", help="A parameter of the workflow.")
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
        config=dict(pairs(config, "--config")),
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
                out.print(started.name)
            return 0
        return await attach(client, started, output)


def _source(workflow: str) -> dict[str, Any]:
    """What the argument means: standard input, a file, or a name."""
    if workflow == "-":
        return {"document": _text(sys.stdin.buffer.read(MAX_DOCUMENT + 1), "<stdin>"), "file": "<stdin>"}
    path = Path(workflow)
    if path.is_file():
        with path.open("rb") as file:
            return {"document": _text(file.read(MAX_DOCUMENT + 1), workflow), "file": workflow}
    if path.suffix in {".yaml", ".yml", ".json"}:
        raise Usage(f"there is no file {workflow}")
    return {"workflow": workflow}


def _text(data: bytes, name: str) -> str:
    if len(data) > MAX_DOCUMENT:
        raise Usage(f"{name} is larger than {MAX_DOCUMENT // 1024 // 1024} MiB, the most that a document may have")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Usage(f"{name} is not UTF-8 text: byte {error.start} is {data[error.start]:#04x}") from error


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


async def _steer(what: str, run: str, url: str | None, state: Path | None) -> int:
    async with muster(url, state) as client:
        match what:
            case "cancel":
                view = await client.cancel(run)
            case "pause":
                view = await client.pause(run)
            case _:
                view = await client.resume(run)
        err.print(f"{view.name}: {what} was accepted; the run is {view.verdict}")
    return 0
