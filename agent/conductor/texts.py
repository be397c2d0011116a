"""The last templates of an operation: what only its own process's surroundings know.

Called by the runners. ``env.*`` is the environment the step will have, ``file()`` and ``glob()`` look where it will
run, ``secret()`` gives what the agent was entrusted with. Everything else was filled in by the planner or comes with
the names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from agent.conductor.finding import absolute, found
from workflow.execution.conditions import secret_of
from workflow.expressions import (
    ExpressionError,
    Function,
    Scope,
    Unresolved,
    Value,
    date_function,
    path_functions,
    render,
    scope,
    spread,
)
from workflow.plan.nodes import Json
from workflow.plan.texts import Reader, mapped

MAX_FILE = 1024 * 1024
"""Bytes of a file that ``file()`` gives at the most."""
T = TypeVar("T")

_REFERENCE = re.compile(r"\$(?:(\$)|\(([A-Za-z_][A-Za-z0-9_.-]*)\))")


class Texts:
    """Fills in templates for one process. ``inside`` says where a path of the steps really is; without it, no files."""

    def __init__(
        self,
        names: Mapping[str, Json],
        env: Mapping[str, str],
        secrets: Mapping[str, str],
        *,
        directory: str = "/data",
        inside: Callable[[str], Path] | None = None,
    ) -> None:
        functions: dict[str, Function] = {"secret": secret_of(secrets), "date": date_function(datetime.now(UTC))}
        functions.update(path_functions(directory))
        if inside is not None:
            functions.update(_files(directory, inside))
        own = scope({"env": dict(env)}, functions=functions, lookup=None)
        self._scope: Scope = own.over(scope(names))

    def text(self, template: str) -> str:
        """One text. Raises ExpressionError."""
        return render(template, self._scope, Unresolved.FAIL).string if "{{" in template else template

    def maybe(self, template: str | None) -> str | None:
        """One text, or None as it is."""
        return None if template is None else self.text(template)

    def many(self, templates: Sequence[str]) -> list[str]:
        """A list of texts, in which an element that gives a list becomes several."""
        return spread(list(templates), self._scope, Unresolved.FAIL)

    def all_of(self, operation: T) -> T:
        """An operation (not one with children), or a part of one, with every text in it filled in."""
        return mapped(operation, _Reading(self))

    @property
    def functions(self) -> Mapping[str, Function]:
        """What the scope adds to the language, for workflow.plan.children."""
        return self._scope.layers[0].functions  # type: ignore[union-attr]


def dereferenced(value: str, env: Mapping[str, str]) -> str:
    """``$(NAME)`` in a variable's value, as Kubernetes does it: an unknown one stays, ``$$`` is a dollar."""
    return _REFERENCE.sub(
        lambda found: "$" if found[1] else env.get(found[2], found[0]),
        value,
    )


def _files(directory: str, inside: Callable[[str], Path]) -> dict[str, Function]:
    def file(values: Sequence[Value]) -> Value:
        match list(values):
            case [str() as path]:
                return _content(path, directory, inside)
            case _:
                raise ExpressionError("file() takes one path")

    def glob(values: Sequence[Value]) -> Value:
        patterns = [value for value in values if isinstance(value, str)]
        if len(patterns) != len(values) or all(pattern.startswith("!") for pattern in patterns):
            raise ExpressionError("glob() takes patterns, at least one of which does not begin with !")
        return [str(path) for path in found(patterns, directory, inside) if inside(path).is_file()]

    return {"file": file, "glob": glob}


def _content(path: str, directory: str, inside: Callable[[str], Path]) -> str:
    try:
        with inside(absolute(path, directory)).open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as problem:
        raise ExpressionError(f"file({path!r}): {problem.strerror}") from None
    if len(data) > MAX_FILE:
        raise ExpressionError(f"file({path!r}) has more than {MAX_FILE} bytes")
    return data.decode("utf-8", "replace")


class _Reading:
    """workflow.plan.texts.Reader: fills in everything."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def template(self, text: str) -> str:
        return self._texts.text(text)

    def expression(self, text: str) -> str:
        return text

    def spread(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._texts.many(texts))

    def inside(self, spreading: object) -> Reader:
        return self
