"""Texts that must be known when the plan is made: durations and choices. Used by the planner."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from workflow.expressions import ExpressionError, render, scope
from workflow.model import BadForm, Node, delay_microseconds, microseconds
from workflow.problems import Problem

_NOTHING = scope({})
R = TypeVar("R")


class Statics:
    """Reads such texts; what is wrong with them is kept in ``problems``, with its place."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def duration(self, node: Node, field: str) -> int | None:
        """The field as microseconds; None where it is empty or wrong."""
        return self._read(node, field, microseconds)

    def delay(self, node: Node, field: str) -> int | None:
        """A ``delay`` as microseconds; None where it is empty or wrong."""
        return self._read(node, field, delay_microseconds)

    def text(self, node: Node, field: str) -> str | None:
        """The field's final text; None where it is empty or not known yet."""
        return self._read(node, field, str)

    def note(self, node: Node, message: str, *path: str | int, hint: str = "", code: str = "bad-value") -> None:
        """Something is wrong with a field of ``node``."""
        self.problems.append(Problem(code, message, node.where(*path), hint=hint, path=node.path_of(*path)))

    def _read(self, node: Node, field: str, form: Callable[[str], R]) -> R | None:
        written = getattr(node, field)
        if not written:
            return None
        name = node.alias_path((field,))[0]
        try:
            found = render(written, _NOTHING)
            if found.static:
                return form(found.string)
            self.note(
                node, f"{name} must be known before the execution starts", field, hint=f"left open: {found.residual}"
            )
        except (BadForm, ExpressionError) as error:
            self.note(node, f"{name}: {error}", field)
        return None
