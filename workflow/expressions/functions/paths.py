"""relpath, abspath, makepath: paths as texts, nothing of a file system.

A relative path without a base depends on the working directory. That is not known here: such a call waits for
``path_functions`` of a scope that knows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workflow.expressions.data import Datum
from workflow.expressions.functions.calling import Builtin, Later, counted, loose_text
from workflow.expressions.limits import Budget
from workflow.expressions.values import admitted, released

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workflow.expressions.data import Value
    from workflow.expressions.scope import Function

_NEEDS_DIRECTORY: Final = "a relative path needs a working directory, which is not known here"


def path_functions(directory: str) -> Mapping[str, Function]:
    """abspath and relpath in a working directory (an absolute path), as functions for a scope."""

    def abspath(values: Sequence[Value]) -> Value:
        return released(_abspath([admitted(value) for value in values], Budget(), directory))

    def relpath(values: Sequence[Value]) -> Value:
        return released(_relpath([admitted(value) for value in values], Budget(), directory))

    return {"abspath": abspath, "relpath": relpath}


def clean(path: str) -> str:
    """The shortest equal path; ``.`` for an empty one."""
    rooted = path.startswith("/")
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif (part == ".." and not rooted) or part not in ("", ".", ".."):
            parts.append(part)
    return ("/" if rooted else "") + "/".join(parts) or "."


def relative(target: str, base: str) -> str:
    """The way from ``base`` to ``target``, both absolute."""
    there, here = (clean(path).strip("/").split("/") for path in (target, base))
    there, here = [part for part in there if part], [part for part in here if part]
    shared = 0
    while shared < min(len(there), len(here)) and there[shared] == here[shared]:
        shared += 1
    return "/".join([".."] * (len(here) - shared) + there[shared:]) or "."


def joined(base: str, path: str) -> str:
    """``path`` below ``base``, also when it begins with a slash."""
    parts = [part for part in (base, path) if part]
    return clean("/".join(parts)) if parts else ""


def _absolute(path: str, directory: str | None) -> str:
    if path.startswith("/"):
        return clean(path)
    if directory is None:
        raise Later(_NEEDS_DIRECTORY)
    return joined(directory, path)


def _abspath(values: list[Datum], budget: Budget, directory: str | None = None) -> Datum:
    counted("abspath", values, 1, 2)
    texts = [loose_text(value, budget) for value in values]
    budget.text(sum(map(len, texts)))
    if texts[0].startswith("/"):
        return clean(texts[0])
    if len(texts) == 1:
        return _absolute(texts[0], directory)
    return joined(_absolute(texts[1], directory), texts[0])


def _relpath(values: list[Datum], budget: Budget, directory: str | None = None) -> Datum:
    counted("relpath", values, 1, 2)
    texts = [loose_text(value, budget) for value in values]
    budget.text(4 * sum(map(len, texts)))
    if len(texts) == 1 and not _leaves(texts[0]):
        return clean(texts[0])  # the same in every working directory
    if len(texts) == 2 and directory is None and not any(_leaves(text) for text in texts):
        directory = "/"
    target = _absolute(texts[0], directory)
    source = _absolute(texts[1], directory) if len(texts) == 2 else _absolute("", directory)
    return relative(target, source)


def _leaves(path: str) -> bool:
    """Whether a relative path depends on where it starts."""
    return path.startswith("/") or clean(path).startswith("..")


def _makepath(values: list[Datum], budget: Budget) -> Datum:
    counted("makepath", values, 2, 2)
    base, path = (loose_text(value, budget) for value in values)
    budget.text(len(base) + len(path))
    return path if path.startswith("/") or not base else joined(base, path)


FUNCTIONS: Final[dict[str, Builtin]] = {"abspath": _abspath, "relpath": _relpath, "makepath": _makepath}
