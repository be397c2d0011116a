"""The rules of a run: what becomes of an execution that ends, is stopped, is lost; which children it has; what the
run comes to.

Called by the control plane's services, which load rows, ask here, and store the answer. Pure; the legal moves are
those of workflow.states.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workflow.journal import ChildKind
from workflow.states import ExecutionState

MAX_DEPTH = 16
"""Generations of children below a root at the most."""
MAX_CHILDREN = 10_000
"""Children of one step at the most, over all its runs under retry."""
_GENERATION = 1_000_000
"""Children of attempt n stand at places from (n - 1) times this on: an attempt that starts again has children of its
own."""


class TooDeep(ValueError):
    """Workflows execute each other without an end."""


def child_depth(parent_depth: int) -> int:
    """The depth of a child, or ``TooDeep`` with a sentence."""
    if parent_depth >= MAX_DEPTH:
        raise TooDeep(f"workflows execute each other {MAX_DEPTH} deep: is one its own descendant?")
    return parent_depth + 1


def place_index(attempt: int, index: int) -> int:
    """Where the ``index``-th child of a step of this attempt is kept."""
    return (attempt - 1) * _GENERATION + index


def told_index(attempt: int, place: int) -> int | None:
    """The child's index as its parent's ``attempt`` knows it; None for a child of another attempt."""
    generation, index = divmod(place, _GENERATION)
    return index if generation == attempt - 1 else None


# --- stopping ----------------------------------------------------------------------------------------------------


class StopBy(StrEnum):
    """How an execution is stopped."""

    NOTHING = "nothing"  # it is over already
    ENDING = "ending"  # it ends at once: nothing of it runs
    WITHDRAWING = "withdrawing"  # it ends at once, and its agent is told to clean up
    ASKING = "asking"  # its conductor is told, and ends it


def stop_by(state: ExecutionState) -> StopBy:
    """How an execution in ``state`` is stopped. What was offered and has not begun never begins: it needs our leave."""
    match state:
        case ExecutionState.QUEUED:
            return StopBy.ENDING
        case ExecutionState.ASSIGNED:
            return StopBy.WITHDRAWING
        case ExecutionState.RUNNING | ExecutionState.PAUSED | ExecutionState.STOPPING:
            return StopBy.ASKING
        case _:
            return StopBy.NOTHING


# --- the end -----------------------------------------------------------------------------------------------------


def stops_with_parent(kind: ChildKind, parent: ExecutionState) -> bool:
    """Whether an open child is stopped when its parent ends as ``parent``.

    Workers and services always; an executed workflow only when the parent was canceled or aborted: one that is still
    open after its parent passed or failed was started with ``async``.
    """
    return kind is not ChildKind.WORKFLOW or parent in {ExecutionState.CANCELED, ExecutionState.ABORTED}


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a lost attempt: a final state, or QUEUED for another attempt."""

    state: ExecutionState
    reason: str


def after_loss(
    *, started: bool, retry: bool, stop: tuple[ExecutionState, str] | None, reason: str, attempt: int
) -> Fate:
    """What becomes of an execution whose attempt is lost for ``reason`` (a sentence without its full stop).

    Asked to stop, it has stopped. Not begun, it is handed out again. Begun, it is aborted, or handed out again where
    its author allows that (``retry``).
    """
    if stop is not None:
        return Fate(stop[0], f"{stop[1]} ({reason})" if stop[1] else reason)
    if not started:
        return Fate(ExecutionState.QUEUED, f"to be handed out again: {reason}")
    if retry:
        return Fate(ExecutionState.QUEUED, f"attempt {attempt} was lost ({reason}): starts again")
    return Fate(ExecutionState.ABORTED, f"lost: {reason}")


def ended_as(said: ExecutionState, reason: str, stop: tuple[ExecutionState, str] | None) -> tuple[ExecutionState, str]:
    """How an execution ended whose conductor says ``said``. Told to stop it did not pass, whatever crossed on the
    way."""
    if stop is not None:
        return stop[0], stop[1] or reason
    return said, reason
