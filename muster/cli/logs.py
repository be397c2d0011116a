"""``muster logs``: what was printed, and what is."""

from __future__ import annotations

import sys
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol

import typer

from muster.cli.board import Board
from muster.cli.outcome import err, out_console, runs
from muster.cli.reading import Subject
from muster.cli.screen import lines_for
from muster.cli.where import State, Url, muster
from muster.client import Muster, NotThere
from workflow.terminal import Neutraliser
from workflow.views import ExecutionChanged, LogPrinted, LogView


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be printed, and how."""

    follow: bool
    step: str | None
    agent: str | None
    since: str | None
    positions: bool
    raw: bool


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("logs")(logs)


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
    raw: Annotated[bool, typer.Option("--raw", help="Nothing but what was printed, escape sequences too.")] = False,
    url: Url = None,
    state: State = None,
) -> None:
    """Print what an execution printed, or all executions of a run (each line behind its environment and step)."""
    runs(_logs(subject, Wanted(follow, step, agent, since, positions, raw), url, state))


class Printer(Protocol):
    """Prints pieces as they come."""

    async def show(self, piece: LogView) -> None:
        """One more piece."""
        ...

    def end(self) -> None:
        """That was all."""
        ...


async def _logs(subject: str, wanted: Wanted, url: str | None, state: Path | None) -> int:
    said = False
    async with muster(url, state) as client:
        printer = await _printer(client, subject, wanted)
        pieces = client.logs(subject, since=wanted.since, follow=wanted.follow, step=wanted.step, agent=wanted.agent)
        async with aclosing(pieces):
            async for piece in pieces:
                said = True
                await printer.show(piece)
    printer.end()
    if not said and not wanted.follow:
        err.print("nothing was printed there")
    return 0


async def _printer(client: Muster, subject: str, wanted: Wanted) -> Printer:
    """Bytes as they are for a program or a single execution, else lines that say where they come from."""
    if wanted.raw or wanted.positions:
        return _Pieces(wanted)
    try:
        run = await client.run(subject)
    except NotThere:
        return _Pieces(wanted)
    if sum(not execution.orchestrated for execution in run.executions) < 2 and not wanted.follow:
        return _Pieces(wanted)
    board = Board(run)
    for execution in run.executions:
        list(board.hear(ExecutionChanged(execution=execution)))  # what it tells is no output
    return _Lines(client, board)


@dataclass
class _Pieces:
    """What was printed and nothing else, but for positions."""

    wanted: Wanted
    neutralisers: dict[tuple[str, str, str], Neutraliser] = field(default_factory=dict)

    async def show(self, piece: LogView) -> None:
        key = (piece.execution, piece.ref, piece.stream)
        text = piece.text
        if not self.wanted.raw:
            text = self.neutralisers.setdefault(key, Neutraliser()).feed(text)
        sys.stdout.write(f"[{piece.execution} {piece.position}] {text}" if self.wanted.positions else text)
        if self.wanted.follow:
            sys.stdout.flush()

    def end(self) -> None:
        for neutraliser in self.neutralisers.values():
            sys.stdout.write(neutraliser.flush())


class _Lines:
    """Whole lines, each behind its environment and step."""

    def __init__(self, client: Muster, board: Board) -> None:
        self._client = client
        self._board = board
        self._screen = lines_for(out_console())

    async def show(self, piece: LogView) -> None:
        if piece.execution not in self._board.executions:
            execution = await self._client.execution(piece.execution)
            list(self._board.hear(ExecutionChanged(execution=execution)))
        self._screen.show(list(self._board.hear(LogPrinted(log=piece))))

    def end(self) -> None:
        self._screen.show(list(self._board.rest()))
