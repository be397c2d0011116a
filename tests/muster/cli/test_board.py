"""Events of a watched run in, lines out."""

from __future__ import annotations

from datetime import UTC, datetime

from muster.cli.board import MAX_LINE, Board, Line, LineKind
from workflow.journal import ChildKind, Stream
from workflow.states import ExecutionState, StepStatus, Verdict
from workflow.views import (
    ExecutionChanged,
    ExecutionView,
    LogPrinted,
    LogView,
    PlaceView,
    RunEnded,
    RunView,
    StepChanged,
    StepView,
    WatchEvent,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def step(ref: str, name: str, status: StepStatus = StepStatus.RUNNING, **more: object) -> StepView:
    return StepView(ref=ref, name=name, id=name if more.pop("named", True) else "", status=status, **more)


def execution(
    state: ExecutionState = ExecutionState.RUNNING,
    *steps: StepView,
    id: str = "e1",  # noqa: A002 - the field's name
    **more: object,
) -> ExecutionView:
    given: dict[str, object] = {"name": "shop-1", "workflow": "shop", "agent": "prod-runner", "environment": "prod"}
    return ExecutionView(id=id, run="r", state=state, steps=steps, **(given | more))


def worker(index: int, state: ExecutionState = ExecutionState.RUNNING, **more: object) -> ExecutionView:
    place = PlaceView(parent="e1", ref="2", index=index, kind=ChildKind.WORKER)
    shell = step("1", "Run shell command", named=False)
    return execution(state, shell, id=f"w{index}", place=place, **more)


def log(ref: str, text: str, of: str = "e1", stream: Stream = Stream.STDOUT) -> LogPrinted:
    return LogPrinted(log=LogView(execution=of, position="1.1", ref=ref, stream=stream, at=NOW, text=text))


def told(board: Board, *events: WatchEvent) -> list[str]:
    return [said(line) for event in events for line in board.hear(event)]


def said(line: Line) -> str:
    return f"{line.where} {line.what}{' |' if line.kind is LineKind.LOG else ':'} {line.text}"


def test_states() -> None:
    board = Board()
    assert told(board, ExecutionChanged(execution=execution(ExecutionState.QUEUED, agent=None, environment=None))) == []
    waits = execution(ExecutionState.QUEUED, agent=None, environment=None, reason="waits for x")
    assert told(board, ExecutionChanged(execution=waits)) == ["- shop: queued: waits for x"]
    assert told(board, ExecutionChanged(execution=execution())) == ["prod shop: running on prod-runner"]
    assert told(board, ExecutionChanged(execution=execution())) == []
    ended = execution(ExecutionState.ABORTED, reason="the agent is gone", duration_ms=1200)
    assert told(board, ExecutionChanged(execution=ended)) == ["prod shop: aborted (1.2 s): the agent is gone"]


def test_a_reason_is_said_once() -> None:
    board = Board()
    told(board, ExecutionChanged(execution=execution(ExecutionState.RUNNING, step("3", "Unit tests"))))
    failed = step("3", "Unit tests", StepStatus.FAILED, duration_ms=30, exit_code=1)
    assert told(board, StepChanged(execution="e1", step=failed)) == ["prod Unit tests: failed (30 ms, exit code 1)"]
    ended = execution(ExecutionState.FAILED, failed, reason="step 3 (Unit tests): exit code 1", duration_ms=40)
    assert told(board, ExecutionChanged(execution=ended)) == ["prod shop: failed (40 ms) at Unit tests"]


def test_what_the_control_plane_conducts_is_on_no_agent() -> None:
    one = execution(agent=None, environment=None, orchestrated=True)
    assert told(Board(), ExecutionChanged(execution=one)) == ["all shop: running"]


def test_lines_are_whole() -> None:
    board = Board()
    told(board, ExecutionChanged(execution=execution(ExecutionState.RUNNING, step("1", "build"))))
    assert told(board, log("1", "one\ntw")) == ["prod build | one"]
    assert told(board, log("1", "err\n", stream=Stream.STDERR)) == ["prod build | err"]
    assert told(board, log("1", "o\r\nthree")) == ["prod build | two"]
    done = step("1", "build", StepStatus.PASSED, duration_ms=5)
    assert told(board, StepChanged(execution="e1", step=done)) == ["prod build | three", "prod build: passed (5 ms)"]


def test_a_line_without_end_is_broken() -> None:
    lines = told(Board(), log("1", "x" * (2 * MAX_LINE + 1)))
    assert [len(line) for line in lines] == [MAX_LINE + len(" 1 | ")] * 2


def test_what_is_left_is_told_at_the_end() -> None:
    board = Board()
    told(board, ExecutionChanged(execution=execution(ExecutionState.RUNNING, step("1", "build"))), log("1", "tail"))
    run = RunView(id="r", name="shop-1", number=1, workflow="shop", verdict=Verdict.PASSED)
    assert told(board, RunEnded(run=run)) == ["prod build | tail"]
    assert list(board.rest()) == []


def test_operations_are_called_as_the_step_around_them() -> None:
    board = Board()
    inner = step("2.1", "Run shell command", hidden=True)
    told(board, ExecutionChanged(execution=execution(ExecutionState.RUNNING, step("2", "Unit tests"), inner)))
    assert told(board, log("2.1", "hi\n")) == ["prod Unit tests | hi"]
    ended = step("2.1", "Run shell command", StepStatus.FAILED, hidden=True)
    assert told(board, StepChanged(execution="e1", step=ended)) == []


def test_workers_are_called_by_what_they_do() -> None:
    board = Board()
    told(board, ExecutionChanged(execution=execution(ExecutionState.RUNNING, step("2", "Shards"))))
    assert told(board, ExecutionChanged(execution=worker(3))) == ["prod[3] Shards: running"]
    assert told(board, log("1", "hi\n", of="w3")) == ["prod[3] Shards | hi"]
    described = worker(4, description="18 on sqlite")
    assert told(board, ExecutionChanged(execution=described)) == ["prod[4] 18 on sqlite: running"]
    ended = step("1", "Run shell command", StepStatus.PASSED, named=False)
    assert told(board, StepChanged(execution="w4", step=ended)) == []
    assert told(board, LogPrinted(log=log("1", "x\n", of="w4").log)) == ["prod[4] 18 on sqlite | x"]


def test_optional_steps_say_so() -> None:
    board = Board()
    told(board, ExecutionChanged(execution=execution()))
    failed = step("1", "maybe", StepStatus.FAILED, optional=True, exit_code=3)
    assert told(board, StepChanged(execution="e1", step=failed)) == ["prod maybe: failed (exit code 3) (optional)"]


def test_the_step_that_runs_now() -> None:
    board = Board()
    told(board, ExecutionChanged(execution=execution(ExecutionState.RUNNING, step("1", "a"), step("1.1", "b"))))
    current = board.current("e1")
    assert current is not None and current.name == "b"
    assert board.current("other") is None
