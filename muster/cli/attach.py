"""Watching a run to its end: lines as they come, then the comparison and the verdict.

Called by ``muster run``. Ctrl-C detaches; the run goes on.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from enum import StrEnum

from rich.console import Console
from rich.text import Text

from muster.cli.board import Board
from muster.cli.outcome import CUT_OFF, INTERRUPTED, err, give_up_output, out_console, show
from muster.cli.screen import screen_for
from muster.cli.tables import comparison_tables
from muster.cli.words import MARKS, STYLES, duration
from muster.client import Muster
from workflow.comparison import Comparison
from workflow.states import Verdict
from workflow.terminal import neutralised
from workflow.views import LOG_INCOMPLETE, RunEnded, RunView


class Output(StrEnum):
    """What ``--output`` asks for."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"


async def attach(client: Muster, run: RunView, output: Output) -> int:
    """Follow the run; print its end in the form asked for; the exit code."""
    out = out_console()
    progress = out if output is Output.TABLE else err
    try:
        ended = await _follow(client, run, progress)
    except (KeyboardInterrupt, asyncio.CancelledError):
        _detached(run)
        return INTERRUPTED
    except BrokenPipeError:
        give_up_output()
        _detached(run)
        return CUT_OFF
    await _print_end(client, ended, output, out)
    return ended.exit_code


def _detached(run: RunView) -> None:
    err.print(
        Text(f"\ndetached; the run goes on. See it: muster logs {run.name} --follow   End it: muster cancel {run.name}")
    )


async def _follow(client: Muster, run: RunView, console: Console) -> RunView:
    board = Board(run)
    with screen_for(console, board) as screen:
        async with aclosing(client.watch(run.id)) as events:
            async for event in events:
                screen.show(list(board.hear(event)))
                if isinstance(event, RunEnded):
                    return event.run
    return await client.run(run.id)


async def _print_end(client: Muster, run: RunView, output: Output, out: Console) -> None:
    match output:
        case Output.JSON:
            full, comparison = await client.run(run.id), await client.comparison(run.id)
            print_json(out, {"run": full.model_dump(mode="json"), "comparison": comparison.model_dump(mode="json")})
        case Output.JUNIT:
            out.file.write(await client.junit(run.id))
        case Output.TABLE:
            await print_summary(client, run, await client.comparison(run.id), out)


async def print_summary(client: Muster, run: RunView, comparison: Comparison, out: Console) -> None:
    """The comparison of the environments, why it failed, the verdict."""
    for table in comparison_tables(comparison, out.is_terminal):
        out.print()
        show(out, table)
    if run.verdict is not Verdict.PASSED:
        explanation = await client.why(run.id)
        out.print()
        for sentence in explanation.sentences:
            out.print(Text(neutralised(sentence)), soft_wrap=True)
    if run.log_incomplete:
        out.print()
        out.print(Text(LOG_INCOMPLETE, style="yellow"), soft_wrap=True)
    out.print()
    line = Text(f"{MARKS.get(run.verdict, '')} {run.verdict}", style=f"bold {STYLES.get(run.verdict, '')}")
    line.append(f"  {run.name}", style="bold").append(f"  {duration(run.duration_ms)}", style="dim")
    out.print(line)


def print_json(out: Console, value: object) -> None:
    """One JSON document on standard output, without colour or wrapping."""
    out.file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
