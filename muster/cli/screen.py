"""Where lines go: coloured with a live board at the foot where a person looks, plain where a program reads.

Used by muster.cli.attach. What steps printed is neutralised first: no escape sequence of a step reaches the terminal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from muster.cli.board import Board, Line, LineKind
from muster.cli.words import MARKS, STYLES, duration
from workflow.journal import Stream
from workflow.terminal import neutralised

_COLOURS = ("cyan", "magenta", "blue", "bright_green", "bright_yellow", "bright_red")
_REFRESH = 6  # a second


class Screen(Protocol):
    """Shows lines as they come, and the board while the run goes on."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, line: Line) -> None:
        """One more line."""
        ...


class PlainScreen:
    """Plain lines without a control code: ``prod  Unit tests | text``."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, line: Line) -> None:
        """One more line."""
        sign = "|" if line.kind is LineKind.LOG else ":"
        for part in neutralised(line.text).splitlines() or [""]:
            self._console.print(Text(f"{line.where:<8} {neutralised(line.what)} {sign} {part}"), soft_wrap=True)


class LiveScreen:
    """Coloured lines; below them a table of what is open, redrawn in place and gone at the end."""

    def __init__(self, console: Console, board: Board) -> None:
        self._console = console
        self._board = board
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=_REFRESH, transient=True)
        self._colours: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, line: Line) -> None:
        """One more line."""
        for part in neutralised(line.text).splitlines() or [""]:
            self._console.print(self._drawn(line, part), soft_wrap=True)

    def _drawn(self, line: Line, part: str) -> Text:
        text = Text(f"{line.where:<8} ", style=self._colour(line.where))
        what = neutralised(line.what)
        match line.kind:
            case LineKind.LOG:
                text.append(f"{what} │ ", style="dim")
                text.append(part, style="dim italic" if line.stream is Stream.SYSTEM else "default")
            case LineKind.STEP | LineKind.STATE:
                style = STYLES.get(line.status, "")
                text.append(f"{MARKS.get(line.status, '·')} ", style=style)
                text.append(f"{what} ", style="bold")
                text.append(part, style=style)
        return text

    def _colour(self, where: str) -> str:
        place = where.partition("[")[0]
        return self._colours.setdefault(place, _COLOURS[len(self._colours) % len(_COLOURS)])

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        open_ones = [execution for execution in self._board.executions.values() if not execution.state.final]
        now = datetime.now(UTC)
        for execution in open_ones[:20]:
            step = self._board.current(execution.id)
            began = execution.started_at or execution.queued_at
            table.add_row(
                Text(self._board.where(execution), style=self._colour(execution.where or "-")),
                Text(f"{MARKS.get(execution.state, '·')} {execution.state}", style=STYLES.get(execution.state, "")),
                Text(self._board.title(execution)),
                Text(step.title if step else execution.reason, style="dim"),
                Text(duration((now - began).total_seconds() * 1000) if began else "", style="dim"),
            )
        if len(open_ones) > 20:
            table.add_row("", Text(f"and {len(open_ones) - 20} more", style="dim"))
        return table


def screen_for(console: Console, board: Board) -> Screen:
    """A live one where a person looks."""
    return LiveScreen(console, board) if console.is_terminal and not console.is_dumb_terminal else PlainScreen(console)
