"""What all functions of the standard library share: their shape, and how they say that a call is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from workflow.expressions.data import NONE, Datum
from workflow.expressions.errors import ExpressionError, NoText
from workflow.expressions.limits import Budget
from workflow.expressions.values import described, text_of

Builtin: TypeAlias = Callable[[list[Datum], Budget], Datum]


class Later(Exception):
    """The function needs something of the world, ``str()`` says what; a function of the scope may have it."""


def counted(name: str, values: list[Datum], least: int, most: int) -> None:
    """Refuses a wrong number of arguments."""
    if not least <= len(values) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        plural = "" if wanted == "1" else "s"
        raise ExpressionError(f"{name}() takes {wanted} argument{plural}, not {len(values)}")


def as_list(name: str, value: Datum) -> list[Datum]:
    """A list; none is an empty one."""
    if value is NONE:
        return []
    if not isinstance(value, list):
        raise ExpressionError(f"{name}() takes a list, not {described(value)}")
    return value


def as_string(name: str, value: Datum) -> str:
    """A text, not merely something that has a text form."""
    if not isinstance(value, str):
        raise ExpressionError(f"{name}() takes a text, not {described(value)}")
    return value


def loose_text(value: Datum, budget: Budget) -> str:
    """A value's text form, empty where it has none, as the reference does in most functions."""
    try:
        return text_of(value, budget)
    except NoText:
        return ""
