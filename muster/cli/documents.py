"""Files and folders that a person names, as bytes or text. Called by muster.cli.catalog, .running and .papers.

Whatever a file holds, reading it gives its content or a problem with its place; never more than the language's limit of
bytes in memory for each file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from muster.cli.outcome import Usage
from workflow.problems import Position, Problem

MAX_BYTES = 1024 * 1024
"""Bytes of a document; the language refuses more."""
SUFFIXES = {".yaml", ".yml", ".json"}
MAX_FILES = 5000
STDIN = "<stdin>"


def text(content: bytes | Problem, file: str) -> str | Problem:
    """The content as text, or why it is none."""
    if isinstance(content, Problem):
        return content
    if len(content) > MAX_BYTES:
        return Problem("too-large", f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB", Position(file))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(errors="replace")
        column = len(before) - before.rfind("\n")
        at = Position(file, before.count("\n") + 1, column)
        return Problem("not-utf-8", "this is not UTF-8 text", at, hint="save it as UTF-8")


def contents(names: Sequence[str]) -> Iterator[tuple[str, bytes | Problem]]:
    """The bytes of every file meant, one at a time, folders opened in order of their paths; or why a file cannot be
    read. Usage where there is no such file, none in a folder, or too many."""
    count = 0
    for name in names:
        for file in [name] if name == "-" else _files(name):
            count += 1
            if count > MAX_FILES:
                raise Usage(f"these are too many files at once; at most {MAX_FILES}")
            yield (STDIN if file == "-" else str(file)), content_of(file)


def _files(name: str) -> Sequence[Path]:
    path = Path(name)
    try:
        if not path.is_dir():
            if not path.exists():
                raise Usage(f"there is no file {name}")
            return [path]
        found: list[Path] = []
        for each in path.rglob("*"):
            if each.suffix in SUFFIXES and each.is_file():
                found.append(each)
            if len(found) > MAX_FILES:
                raise Usage(f"{name} holds more than {MAX_FILES} files, which is too many at once")
    except (OSError, ValueError) as error:
        raise Usage(f"{name[:200]!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not found:
        raise Usage(f"there is no .yaml, .yml or .json file in {name}")
    return sorted(found)


def content_of(file: Path | str) -> bytes | Problem:
    """At most one byte more than a document may have, so that the reader can say that it is too large."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(file).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"it cannot be read: {error.strerror or error}"
        return Problem("unreadable", message, Position(str(file)))
