"""Artifact patterns that can match nothing. Called by lint.

A file outlives its step only where a volume is: in one of the directories that every pod has, or where the workflow
mounts something. A pattern that looks elsewhere finds nothing, however right it is.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from workflow.model import Artifacts, GitContent, Node, Parallel, Step, TarballContent, VolumeMount
from workflow.model.shape import each_node
from workflow.model.steps import Body
from workflow.plan.containers import path_below

MOUNTED: Final = ("/data", "/testkube", "/tmp")  # noqa: S108 - the directories that every pod has
"""Where artifacts can lie without a volume of the workflow's own."""
_ALL: Final = frozenset({"**", "**/*"})


def mounts_of(document: Node) -> frozenset[str]:
    """The directories in which files outlive their step."""
    found = set(MOUNTED)

    def look(node: Node) -> None:
        match node:
            case VolumeMount(mount_path=path) | GitContent(mount_path=str(path)):
                found.add(path if path.startswith("/") else posixpath.join("/data", path))
            case TarballContent(path=path):
                found.add(path)

    each_node(document, look)
    return frozenset(path for path in found if "{{" not in path)


def directories_of(body: Body) -> Iterator[tuple[Artifacts, str | None]]:
    """Each ``artifacts`` with the directory that its patterns begin in; None where that is the default one."""
    own = path_below(None, body.container.working_dir if body.container is not None else None)
    yield from _below((*body.setup, *body.steps, *body.after), own, own)


def _below(steps: tuple[Step, ...], above: str | None, root: str | None) -> Iterator[tuple[Artifacts, str | None]]:
    for step in steps:
        inside = path_below(above, step.working_dir)
        inside = path_below(inside, step.container.working_dir if step.container is not None else None)
        if step.artifacts is not None:
            yield step.artifacts, path_below(inside, step.artifacts.working_dir)
        yield from _below((*step.setup, *step.steps), inside, root)
        if step.parallel is not None:
            yield from _worker(step.parallel, root)


def _worker(parallel: Parallel, root: str | None) -> Iterator[tuple[Artifacts, str | None]]:
    """A worker begins with the container of the workflow, wherever its step stands."""
    own = path_below(root, parallel.container.working_dir if parallel.container is not None else None)
    if parallel.artifacts is not None:
        yield parallel.artifacts, path_below(own, parallel.artifacts.working_dir)
    yield from _below((*parallel.setup, *parallel.steps, *parallel.after), own, own)


def matches_nothing(written: str, directory: str | None, mounts: frozenset[str], excluded: frozenset[str]) -> str:
    """Why the pattern can find no file, in words; empty where it can. ``excluded`` are those after a ``!``."""
    path = written.removeprefix("!")
    if not path.strip():
        return "it is empty"
    if "{{" in path:
        return ""
    if path.endswith("/"):
        return "it ends with '/', and only files are stored; write '**' after it"
    if path.count("[") > path.count("]") or path.count("{") > path.count("}"):
        return "a bracket is not closed"
    if not written.startswith("!") and (against := _excluded(path, excluded)):
        return f"all that it finds is left out by '!{against}'"
    return _outside(path, directory, mounts)


def _excluded(path: str, excluded: frozenset[str]) -> str:
    same = {path} & excluded
    whole = _ALL & excluded if not path.startswith(("/", "..")) else set()
    return min(same | whole, default="")


def _outside(path: str, directory: str | None, mounts: frozenset[str]) -> str:
    if directory is not None and "{{" in directory:
        return ""
    fixed = path.split("*", 1)[0].split("?", 1)[0].split("[", 1)[0].split("{", 1)[0]
    if fixed == path:
        fixed = posixpath.dirname(path)
    start = posixpath.normpath(posixpath.join(directory or "", fixed))
    if start.startswith("/") and not any(_touches(start, mount) for mount in mounts):
        return f"{start} is in no volume ({', '.join(sorted(mounts))})"
    return ""


def _touches(start: str, mount: str) -> bool:
    """Whether one of the directories holds the other."""
    start, mount = start.rstrip("/") + "/", mount.rstrip("/") + "/"
    return start.startswith(mount) or mount.startswith(start)
