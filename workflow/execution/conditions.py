"""Whether a condition holds. Used by course; the one place of the machine that evaluates expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from workflow.execution.scope import stands
from workflow.expressions import ExpressionError, Function, Lookup, Unresolved, Value, evaluate, parse, scope
from workflow.expressions import calls as calls_in
from workflow.plan.nodes import Json
from workflow.states import StepStatus

Names: TypeAlias = Callable[[], Mapping[str, Json]]
"""Gives all names, which is work."""


class Unanswerable(Exception):
    """A condition cannot be answered: an unknown name, a wrong type. The message is for the workflow's author."""


def holds(condition: str, status: StepStatus, names: Names, env: Mapping[str, str], secrets: Mapping[str, str]) -> bool:
    """Whether ``condition`` is true where all stands as ``status``; ``env.X`` is empty where ``env`` has no X, and
    ``secret()`` where ``secrets`` has none.

    ``names`` is asked only by conditions that are more than one of the aliases, which nearly all are. Raises
    ``Unanswerable``, whose message tells nothing of a secret.
    """
    plain = stands(status).get(condition)
    if isinstance(plain, bool):
        return plain
    try:
        known = scope(names(), functions={"secret": secret_of(secrets)}, lookup=environment(env))
        return evaluate(condition, known, Unresolved.FAIL).truthy
    except ExpressionError as error:
        if _asks_a_secret(condition):
            raise Unanswerable(f"a secret is not what it is used as in {condition[:200]!r}") from None
        raise Unanswerable(f"{error} in {condition[:200]!r}") from error


def _asks_a_secret(condition: str) -> bool:
    try:
        return "secret" in calls_in(parse(condition))
    except ExpressionError:
        return False


def secret_of(values: Mapping[str, str]) -> Function:
    """``secret(name, key)`` over ``secret/<name>/<key>``; one that is not there is an empty text."""

    def secret(arguments: Sequence[Value]) -> Value:
        match list(arguments):
            case [str() as name, str() as key]:
                return values.get(f"secret/{name}/{key}", "")
            case _:
                raise ExpressionError("secret() takes a name and a key")

    return secret


def environment(env: Mapping[str, str]) -> Lookup:
    """``env`` and ``env.NAME`` as expressions see them: a variable that is not set is an empty text."""

    def look_up(path: tuple[str, ...]) -> tuple[bool, Value]:
        if path[0] != "env" or len(path) > 2:
            return False, None
        return True, env.get(path[1], "") if len(path) == 2 else dict(env)

    return look_up
