"""Where lines go: coloured with a live board at the foot where a person looks, plain where a program reads.

Used by muster.cli.attach and .logs. What steps printed is neutralised first: no escape sequence of a step reaches the
terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from workflow.terminal import neutralised, one_line
from workflow.views import ExecutionView

_COLOURS = ("cyan", "magenta", "blue", "bright_green", "bright_yellow", "bright_red")
_REFRESH = 6  # a second
_OPEN = 20
"""Executions that the table of what is open shows at the most."""


class Screen(Protocol):
    """Shows lines as they come, and the board while the run goes on."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, lines: Sequence[Line]) -> None:
        """Some more lines."""
        ...


class PlainScreen:
    """Plain lines without a control code: ``prod  Unit tests | text``."""

    def __init__(self, console: Console) -> None:
        self._file = console.file
        self._column = _Column()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, lines: Sequence[Line]) -> None:
        """Some more lines, at once to where they go."""
        for line in lines:
            head = f"{self._column.padded(line.where)}{one_line(line.what)}{' |' if line.kind is LineKind.LOG else ':'}"
            for part in _parts(line.text):
                self._file.write(f"{head} {part}\n")
        self._file.flush()


class ColouredScreen:
    """Coloured lines and nothing else."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours: dict[str, str] = {}
        self._column = _Column()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, lines: Sequence[Line]) -> None:
        """Some more lines, drawn together."""
        drawn = [self._drawn(line, part) for line in lines for part in _parts(line.text)]
        if drawn:
            self._console.print(Text("\n").join(drawn), soft_wrap=True)

    def colour(self, where: str) -> str:
        """An environment's colour, the same for its workers."""
        place = where.partition("[")[0]
        return self._colours.setdefault(place, _COLOURS[len(self._colours) % len(_COLOURS)])

    def _drawn(self, line: Line, part: str) -> Text:
        text = Text().append(self._column.padded(line.where), style=self.colour(line.where))
        what = one_line(line.what)
        match line.kind:
            case LineKind.LOG:
                text.append(f"{what} │ ", style="dim")
                text.append(part, style="dim italic" if line.stream is Stream.SYSTEM else "")
            case LineKind.STEP | LineKind.STATE:
                style = STYLES.get(line.status, "")
                text.append(f"{MARKS.get(line.status, '·')} ", style=style)
                text.append(f"{what} ", style="bold")
                text.append(part, style=style)
        return text


class LiveScreen(ColouredScreen):
    """Coloured lines; below them a table of what is open, redrawn in place and gone at the end."""

    def __init__(self, console: Console, board: Board) -> None:
        super().__init__(console)
        self._board = board
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=_REFRESH, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        open_ones = [execution for execution in self._board.executions.values() if not execution.state.final]
        for execution in open_ones[:_OPEN]:
            table.add_row(*self._row(execution))
        if len(open_ones) > _OPEN:
            table.add_row("", Text(f"and {len(open_ones) - _OPEN} more", style="dim"))
        return table

    def _row(self, execution: ExecutionView) -> list[Text]:
        step = self._board.current(execution.id)
        began = execution.started_at or execution.queued_at
        taken = max((datetime.now(UTC) - began).total_seconds(), 0) * 1000 if began else None
        where = one_line(self._board.where(execution), 40)
        return [
            Text(where, style=self.colour(where)),
            Text(f"{MARKS.get(execution.state, '·')} {execution.state}", style=STYLES.get(execution.state, "")),
            Text(one_line(self._board.title(execution))),
            Text(one_line(step.title if step else execution.reason), style="dim"),
            Text(duration(taken), style="dim"),
        ]


class _Column:
    """The first column, as wide as what stood in it so far; it never grows narrower."""

    def __init__(self) -> None:
        self._width = 7

    def padded(self, where: str) -> str:
        """The text, made harmless, with blanks behind it."""
        text = one_line(where, 40)
        self._width = max(self._width, len(text))
        return f"{text:<{self._width}}  "


def _parts(text: str) -> list[str]:
    return neutralised(text).splitlines() or [""]


def screen_for(console: Console, board: Board) -> Screen:
    """A live one where a person looks."""
    return LiveScreen(console, board) if _looked_at(console) else PlainScreen(console)


def lines_for(console: Console) -> Screen:
    """The same lines without what is open below them."""
    return ColouredScreen(console) if _looked_at(console) else PlainScreen(console)


def _looked_at(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal
