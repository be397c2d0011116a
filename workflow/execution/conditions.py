"""Whether a condition holds. Used by course; the one place of the machine that evaluates expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from workflow.execution.scope import stands
from workflow.expressions import ExpressionError, Lookup, Unresolved, Value, evaluate, scope
from workflow.plan.nodes import Json
from workflow.states import StepStatus

Names: TypeAlias = Callable[[], Mapping[str, Json]]
"""Gives all names, which is work."""


class Unanswerable(Exception):
    """A condition cannot be answered: an unknown name, a wrong type. The message is for the workflow's author."""


def holds(condition: str, status: StepStatus, names: Names, env: Mapping[str, str]) -> bool:
    """Whether ``condition`` is true where all stands as ``status``; ``env.X`` is empty where ``env`` has no X.

    ``names`` is asked only by conditions that are more than one of the aliases, which nearly all are.
    """
    plain = stands(status).get(condition)
    if isinstance(plain, bool):
        return plain
    try:
        return evaluate(condition, scope(names(), lookup=environment(env)), Unresolved.FAIL).truthy
    except ExpressionError as error:
        raise Unanswerable(f"{error} in {condition[:200]!r}") from error


def environment(env: Mapping[str, str]) -> Lookup:
    """``env`` and ``env.NAME`` as expressions see them: a variable that is not set is an empty text."""

    def look_up(path: tuple[str, ...]) -> tuple[bool, Value]:
        if path[0] != "env" or len(path) > 2:
            return False, None
        return True, env.get(path[1], "") if len(path) == 2 else dict(env)

    return look_up
