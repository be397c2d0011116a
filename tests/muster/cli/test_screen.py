"""Where lines go: without a control code where no person looks, coloured and live where one does."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from muster.cli.board import Board, Line, LineKind
from muster.cli.screen import ColouredScreen, LiveScreen, PlainScreen, lines_for, screen_for
from tests.muster.cli.test_board import execution, step
from workflow.journal import Stream
from workflow.states import ExecutionState
from workflow.views import ExecutionChanged

EVIL = "\x1b]0;title\x07\x1b[2Jred[/nope] \u202e"


def shown(screen_of: object, *lines: Line) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=screen_of is not PlainScreen, width=80, color_system="truecolor")
    screen = screen_of(console)  # type: ignore[operator]
    with screen:
        screen.show(lines)
    return file.getvalue()


def test_plain_lines() -> None:
    text = shown(
        PlainScreen,
        Line(LineKind.LOG, "dev", "Unit tests", "a\rb"),
        Line(LineKind.STATE, "a-long-environment", "shop", "running"),
        Line(LineKind.STEP, "dev", "Unit tests", "passed"),
    )
    assert text.splitlines() == [
        "dev      Unit tests | a",
        "dev      Unit tests | b",
        "a-long-environment  shop: running",
        "dev                 Unit tests: passed",
    ]


@pytest.mark.parametrize("screen", [PlainScreen, ColouredScreen])
def test_nothing_that_a_step_says_moves_the_terminal(screen: object) -> None:
    text = shown(screen, Line(LineKind.LOG, EVIL, EVIL, EVIL))
    assert "title" not in text
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert text.count("red[/nope]") == 3


def test_colours() -> None:
    text = shown(
        ColouredScreen,
        Line(LineKind.STEP, "dev", "Unit tests", "failed", "failed"),
        Line(LineKind.LOG, "dev[1]", "x", "note", stream=Stream.SYSTEM),
    )
    assert "✗" in text
    assert "\x1b[" in text


def test_the_live_board() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80)
    board = Board()
    waits = execution(ExecutionState.QUEUED, id="e2", reason="waits for a slot", agent=None, environment=None)
    events = [execution(ExecutionState.RUNNING, step("1", "build")), waits]
    with LiveScreen(console, board) as screen:
        for one in events:
            screen.show(list(board.hear(ExecutionChanged(execution=one))))
    drawn = file.getvalue()
    assert "running" in drawn and "build" in drawn and "waits for a slot" in drawn
    assert drawn.endswith("\x1b[?25h") or "\x1b[?25h" in drawn  # the cursor is back


def test_who_gets_what() -> None:
    program, person = Console(file=io.StringIO()), Console(file=io.StringIO(), force_terminal=True)
    assert isinstance(screen_for(program, Board()), PlainScreen)
    assert isinstance(screen_for(person, Board()), LiveScreen)
    assert isinstance(lines_for(program), PlainScreen)
    assert type(lines_for(person)) is ColouredScreen
