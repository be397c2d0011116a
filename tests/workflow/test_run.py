"""What becomes of executions: the rules, and that they agree with the table of moves."""

from __future__ import annotations

import pytest

from workflow.journal import ChildKind
from workflow.run import (
    MAX_DEPTH,
    StopBy,
    TooDeep,
    after_loss,
    child_depth,
    ended_as,
    place_index,
    stop_by,
    stops_with_parent,
    told_index,
)
from workflow.states import EXECUTION_MOVES, ExecutionState

S = ExecutionState
CANCEL = (S.CANCELED, "canceled by ada")


@pytest.mark.parametrize("state", list(ExecutionState))
def test_every_way_of_stopping_is_a_legal_move(state: ExecutionState) -> None:
    match stop_by(state):
        case StopBy.NOTHING:
            assert state.final
        case StopBy.ENDING | StopBy.WITHDRAWING:
            assert S.CANCELED in EXECUTION_MOVES[state]
        case StopBy.ASKING:
            assert state is S.STOPPING or S.STOPPING in EXECUTION_MOVES[state]


@pytest.mark.parametrize("state", [state for state in ExecutionState if state.live])
@pytest.mark.parametrize("retry", [True, False])
@pytest.mark.parametrize("stop", [None, CANCEL])
def test_every_fate_of_a_lost_attempt_is_a_legal_move(
    state: ExecutionState, retry: bool, stop: tuple[ExecutionState, str] | None
) -> None:
    fate = after_loss(started=state is not S.ASSIGNED, retry=retry, stop=stop, reason="gone", attempt=1)
    assert fate.state in EXECUTION_MOVES[state]
    assert fate.reason


def test_lost_before_it_began_it_is_handed_out_again_whatever_its_author_said() -> None:
    assert after_loss(started=False, retry=False, stop=None, reason="gone", attempt=1).state is S.QUEUED


def test_lost_after_it_began_it_is_aborted_unless_its_author_allows_another_attempt() -> None:
    assert after_loss(started=True, retry=False, stop=None, reason="gone", attempt=1).state is S.ABORTED
    assert after_loss(started=True, retry=True, stop=None, reason="gone", attempt=1).state is S.QUEUED


def test_lost_while_it_was_told_to_stop_it_has_stopped() -> None:
    fate = after_loss(started=True, retry=True, stop=CANCEL, reason="gone", attempt=1)
    assert (fate.state, fate.reason) == (S.CANCELED, "canceled by ada (gone)")


def test_told_to_stop_it_did_not_pass() -> None:
    assert ended_as(S.PASSED, "", CANCEL) == CANCEL
    assert ended_as(S.PASSED, "", None) == (S.PASSED, "")


def test_each_attempt_has_children_of_its_own() -> None:
    assert place_index(1, 7) == 7
    for attempt in (1, 2, 3):
        place = place_index(attempt, 9999)
        assert told_index(attempt, place) == 9999
        assert told_index(attempt + 1, place) is None


def test_generations_are_bounded() -> None:
    assert child_depth(0) == 1
    with pytest.raises(TooDeep, match="16 deep"):
        child_depth(MAX_DEPTH)


@pytest.mark.parametrize(
    ("kind", "parent", "stops"),
    [
        (ChildKind.WORKER, S.PASSED, True),
        (ChildKind.SERVICE, S.FAILED, True),
        (ChildKind.WORKFLOW, S.PASSED, False),
        (ChildKind.WORKFLOW, S.CANCELED, True),
        (ChildKind.WORKFLOW, S.ABORTED, True),
    ],
)
def test_who_goes_with_its_parent(kind: ChildKind, parent: ExecutionState, stops: bool) -> None:
    assert stops_with_parent(kind, parent) is stops
