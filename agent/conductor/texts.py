"""The last templates of an operation: what only its own process's surroundings know.

Called by the runners. ``env.*`` is the environment the step will have, ``file()`` and ``glob()`` look where it will
run, ``secret()`` gives what the agent was entrusted with. Everything else was filled in by the planner or comes with
the names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from wcmatch import glob as wcglob

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

MAX_FILE = 1024 * 1024
"""Bytes of a file that ``file()`` gives at the most."""
MAX_FOUND = 100_000
"""Paths that ``glob()`` gives at the most."""

_REFERENCE = re.compile(r"\$(?:(\$)|\(([A-Za-z_][A-Za-z0-9_.-]*)\))")
_GLOB = wcglob.GLOBSTAR | wcglob.DOTGLOB | wcglob.BRACE | wcglob.NODIR | wcglob.NEGATE | wcglob.NEGATEALL


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
        functions: dict[str, Function] = {"secret": _secret(secrets), "date": date_function(datetime.now(UTC))}
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


def found_by_glob(patterns: Sequence[str], directory: str, inside: Callable[[str], Path]) -> list[str]:
    """The files (not directories) that the patterns name, as absolute paths of the steps, sorted. A leading ``!``
    excludes."""
    wanted = [_absolute(pattern, directory) for pattern in patterns if not pattern.startswith("!")]
    excluded = [_absolute(pattern[1:], directory) for pattern in patterns if pattern.startswith("!")]
    found: set[str] = set()
    for pattern in wanted:
        root = _fixed(pattern)
        base = inside(root)
        rest = pattern[len(root) :].lstrip("/")
        if not rest:
            found |= {root} if base.is_file() else set()
            continue
        for path in wcglob.iglob(rest, root_dir=str(base), flags=_GLOB, limit=MAX_FOUND):
            found.add(f"{root.rstrip('/')}/{path}")
            if len(found) > MAX_FOUND:
                raise ExpressionError(f"glob() finds more than {MAX_FOUND} files")
    if excluded:
        flags = wcglob.GLOBSTAR | wcglob.DOTGLOB | wcglob.BRACE
        found = {path for path in found if not wcglob.globmatch(path, excluded, flags=flags)}
    return sorted(found)


def _absolute(pattern: str, directory: str) -> str:
    joined = os.path.join(directory, pattern)  # noqa: PTH118 - a pattern, not a path
    return os.path.normpath(joined)


def _fixed(pattern: str) -> str:
    """The beginning of an absolute pattern that holds nothing special."""
    parts = pattern.split("/")
    for index, part in enumerate(parts):
        if any(char in part for char in "*?[]{}!"):
            return "/".join(parts[:index]) or "/"
    return pattern


def _secret(secrets: Mapping[str, str]) -> Function:
    def secret(values: Sequence[Value]) -> Value:
        match list(values):
            case [str() as name, str() as key]:
                return secrets.get(f"secret/{name}/{key}", "")
            case _:
                raise ExpressionError("secret() takes a name and a key")

    return secret


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
        return [*found_by_glob(patterns, directory, inside)]

    return {"file": file, "glob": glob}


def _content(path: str, directory: str, inside: Callable[[str], Path]) -> str:
    try:
        with inside(_absolute(path, directory)).open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as problem:
        raise ExpressionError(f"file({path!r}): {problem.strerror}") from None
    if len(data) > MAX_FILE:
        raise ExpressionError(f"file({path!r}) has more than {MAX_FILE} bytes")
    return data.decode("utf-8", "replace")
