"""What is wrong with a user's document, said so that the user can mend it.

Made by everything that reads a document (source, model, resolve, plan, expressions); shown by the command line
and the web. A problem is a value, never a traceback. All problems of a document are collected before any is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_PROBLEMS: Final = 100
"""Problems of one kind of check that are reported of one document; who has more is told so."""


class Severity(StrEnum):
    """How much a problem weighs: an error refuses the document, a warning only speaks."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a document. Line and column count from 1; 0 says that the place is not known."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it stands, and what to do about it.

    ``code`` is a stable kebab-case name of the rule (``unknown-field``), for filters and links to the docs.
    ``path`` is the field's path inside the document, as ``("spec", "steps", 0, "shell")``.
    """

    code: str
    message: str
    position: Position
    severity: Severity = Severity.ERROR
    hint: str = ""
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        tail = f" ({self.hint})" if self.hint else ""
        return f"{self.position}: {self.severity.value}: {self.message}{tail}"


@dataclass(eq=False)
class InvalidDocument(Exception):
    """A document was refused. Carries every problem found, warnings included, in the order of their places."""

    problems: Sequence[Problem] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        self.problems = in_order(self.problems)
        super().__init__("; ".join(str(p) for p in self.problems))


def first_of(problems: Sequence[Problem]) -> list[Problem]:
    """The problems, or the first ``MAX_PROBLEMS`` of them and a last one that says so."""
    if len(problems) <= MAX_PROBLEMS:
        return list(problems)
    last = problems[MAX_PROBLEMS - 1]
    message = f"there are more problems than these {MAX_PROBLEMS}: mend them first"
    return [*problems[:MAX_PROBLEMS], Problem("more-problems", message, last.position, path=last.path)]


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems sorted by place, without repetitions."""
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda p: (p.position, p.severity.value, p.code, p.message)))


def errors(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Only the problems that refuse the document."""
    return tuple(p for p in problems if p.severity is Severity.ERROR)
