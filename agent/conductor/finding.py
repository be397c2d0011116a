"""Files by patterns: ``*``, ``?``, ``[a-z]``, ``{a,b}``, ``**`` for any depth, a leading ``!`` to leave out.

Called by the functions of templates and by the operations that store and hand over files, as work among the steps'
files.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from agent.conductor.failure import Failure

MAX_FOUND = 200_000
"""Files that patterns may find at the most."""

_SPECIAL = re.compile(r"[*?\[\]{}]")


def found(
    patterns: Sequence[str], directory: str, inside: Callable[[str], Path], check: Callable[[], None] = lambda: None
) -> list[str]:
    """What is no directory (files, links) and matches, as absolute paths of the steps, sorted. A pattern that names a
    directory means everything below it. ``inside`` says where a path of the steps really is."""
    wanted = [absolute(pattern, directory) for pattern in patterns if not pattern.startswith("!")]
    unwanted = [absolute(pattern[1:], directory) for pattern in patterns if pattern.startswith("!")]
    matches, excluded = _matcher(wanted), _matcher(unwanted)
    result: set[str] = set()
    for start in _outermost(map(fixed, wanted)):
        for path in _files(start, inside, check):
            if matches(path) and not excluded(path):
                result.add(path)
                if len(result) > MAX_FOUND:
                    raise Failure(f"the patterns find more than {MAX_FOUND} files")
    return sorted(result)


def absolute(path: str, directory: str) -> str:
    """A path (or pattern) of the steps, seen from ``directory``."""
    return posixpath.normpath(posixpath.join(directory, path))


def fixed(pattern: str) -> str:
    """The directories at the beginning of an absolute pattern that hold nothing special; the whole of one without."""
    parts = pattern.split("/")
    for index, part in enumerate(parts):
        if _SPECIAL.search(part):
            return "/".join(parts[:index]) or "/"
    return pattern


def _matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    if not patterns:
        return lambda _: False
    from wcmatch import glob  # most steps name no pattern, and a conductor in a pod is to be there at once

    flags = glob.GLOBSTAR | glob.DOTGLOB | glob.BRACE | glob.FORCEUNIX
    below = [f"{pattern.rstrip('/')}/**" for pattern in patterns if not _SPECIAL.search(pattern)]
    expressions, _ = glob.translate([*patterns, *below], flags=flags)
    compiled = [re.compile(expression) for expression in expressions]
    return lambda path: any(expression.match(path) for expression in compiled)


def _outermost(folders: Iterator[str]) -> list[str]:
    """The folders without those that lie in others of them."""
    kept: list[str] = []
    for folder in sorted(set(folders)):
        if not any(folder == outer or folder.startswith(f"{outer.rstrip('/')}/") for outer in kept):
            kept.append(folder)
    return kept


def _files(start: str, inside: Callable[[str], Path], check: Callable[[], None]) -> Iterator[str]:
    real = inside(start)
    if real.is_symlink() or real.is_file():
        yield start
        return
    for folder, folders, files in os.walk(real, followlinks=False):
        check()
        at = posixpath.join(start, os.path.relpath(folder, real)) if folder != str(real) else start
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in (*files, *links):
            yield posixpath.join(at, name)
