"""How a command ends: its exit code, and one clear sentence where something went wrong. Never a traceback.

``runs`` performs a command's work, ``sentences`` stands around every command (muster.cli.app). Exit codes: 0 passed,
1 failed, 2 invalid input or usage, 3 aborted, cancelled, lost or unreachable; 130 where a person pressed Ctrl-C, 141
where the reader of standard output went away before the verdict was known.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from muster.client import ClientError, InvalidInput
from muster.local import NotRunning, StartFailed
from workflow.problems import InvalidDocument, Problem
from workflow.terminal import one_line
from workflow.views import ProblemView

INVALID = 2
BROKEN = 3
INTERRUPTED = 130
CUT_OFF = 141

UNBOUND = 1000
"""Columns of standard output where no person looks: tables are never folded or cut for a program."""


class _Console(Console):
    """A console that tells its command when its reader went away."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


err = _Console(stderr=True, highlight=False, soft_wrap=True)


def out_console() -> Console:
    """Standard output: as wide as the terminal, or as wide as it needs to be."""
    console = _Console(highlight=False)
    return console if console.is_terminal else _Console(highlight=False, width=UNBOUND)


def show(out: Console, table: RenderableType) -> None:
    """Print a table; without blanks at the ends of its lines where no person looks."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    out.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


class Usage(Exception):
    """The command's words do not fit. The message says what to write instead."""


def fail(sentence: str, hint: str = "", *, code: int = INVALID) -> NoReturn:
    """Say the sentence and what to do, and exit."""
    line = Text("error: ", style="bold red").append(sentence, style="default")
    err.print(line)
    if hint:
        err.print(Text(f"  {hint}", style="dim"))
    raise typer.Exit(code)


def runs(work: Coroutine[Any, Any, int | None]) -> None:
    """Run a command's work to its end and exit with what it returns; every known failure becomes a sentence."""
    with sentences():
        code = asyncio.run(work)
        sys.stdout.flush()
        raise typer.Exit(code or 0)


@contextmanager
def sentences() -> Iterator[None]:
    """Whatever fails within becomes a sentence and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BaseException as error:  # noqa: BLE001 - the last place: whatever it is, a person reads a sentence
        _explain(_single(error))


def give_up_output() -> None:
    """Nobody reads standard output any more, or it takes no more: what is still to be written goes nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _single(error: BaseException) -> BaseException:
    """The failure itself, where a task group wrapped a single one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _explain(error: BaseException) -> NoReturn:
    match error:
        case typer.Exit() | typer.Abort() | SystemExit():
            raise error
        case _ if type(error).__module__.startswith(("typer", "click")):
            raise error  # the words of the command line do not fit, which typer shows
        case InvalidInput():
            show_problems(error.problems)
            fail(str(error), code=INVALID)
        case InvalidDocument():
            show_problems(error.problems)
            fail("the document is not valid", code=INVALID)
        case ClientError():
            fail(str(error), error.hint, code=error.exit_code)
        case NotRunning():
            fail(str(error), "start one with `muster up`, or name another with --url and MUSTER_TOKEN", code=BROKEN)
        case Usage():
            fail(str(error), code=INVALID)
        case StartFailed():
            fail(str(error), code=BROKEN)
        case OSError():
            _system(error)
        case _ if os.environ.get("MUSTER_DEBUG"):
            raise error
        case _:
            fail(
                f"muster met something that it did not expect ({type(error).__name__}: {one_line(str(error), 300)})",
                "this is a bug in muster: please report it; MUSTER_DEBUG=1 shows where it happened",
                code=BROKEN,
            )


def _system(error: OSError) -> NoReturn:
    """What the operating system refused."""
    match error:
        case BrokenPipeError():
            give_up_output()
            raise typer.Exit(0)
        case FileNotFoundError() | PermissionError() | IsADirectoryError() | NotADirectoryError() | FileExistsError():
            fail(f"{error.filename or error}: {error.strerror or 'not possible'}", code=INVALID)
        case _ if error.filename is not None:
            fail(f"{error.filename}: {error.strerror}", code=BROKEN)
        case _:
            give_up_output()
            fail(error.strerror or str(error), "the output is not complete", code=BROKEN)


def show_problems(problems: Sequence[Problem] | Sequence[ProblemView]) -> None:
    """Every problem on a line: place, weight, sentence, what to do."""
    for problem in problems:
        place = problem.position if isinstance(problem, Problem) else _place(problem)
        severity = str(problem.severity)
        line = Text(f"{place}: ", style="bold")
        line.append(f"{severity}: ", style="red" if severity == "error" else "yellow")
        line.append(one_line(problem.message))
        if problem.hint:
            line.append(f" ({problem.hint})", style="dim")
        err.print(line)


def _place(problem: ProblemView) -> str:
    return f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
