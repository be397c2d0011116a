"""``artifacts``: files found, hashed, stored; one archive of them where it is asked for. Called by the table of
operations."""

from __future__ import annotations

import asyncio
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.conductor.archives import pack
from agent.conductor.clock import now
from agent.conductor.exchange import LocalFile, NotExchanged
from agent.conductor.failure import Failure
from agent.conductor.finding import absolute, fixed, found
from agent.conductor.operations.process import DIRECTORY
from agent.conductor.operations.transfers import hashed
from agent.conductor.place import SPOOL
from agent.conductor.stage import Stage
from agent.conductor.texts import Texts
from workflow.journal import ArtifactStored
from workflow.masking import Masker
from workflow.plan.nodes import SaveArtifacts

AT_ONCE = 8
"""Files under way at once."""
MAX_NAME = 1024

_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What is to be stored: where the names begin, the names, and what is left out with the reason."""

    root: str
    names: Sequence[str]
    left_out: Sequence[str]


async def save_artifacts(stage: Stage, operation: SaveArtifacts) -> None:
    """Store them. Nothing found is no failure. Raises ``Failure``, OSError."""
    operation = Texts(stage.names, stage.around.common, stage.around.values, inside=stage.place.inside).all_of(
        operation
    )
    chosen = await stage.place.work(lambda: _chosen(stage, operation))
    for words in chosen.left_out[:_SHOWN]:
        await stage.printed.say(words)
    if len(chosen.left_out) > _SHOWN:
        await stage.printed.say(f"... and {len(chosen.left_out) - _SHOWN} more left out")
    if not chosen.names:
        await stage.printed.say("No artifacts found.")
        return
    if operation.compress:
        await _store_packed(stage, chosen, operation.compress)
    else:
        await _store_each(stage, chosen)
    await stage.printed.say(f"{len(chosen.names)} {'file' if len(chosen.names) == 1 else 'files'} stored")


def _chosen(stage: Stage, operation: SaveArtifacts) -> _Chosen:
    directory = absolute(operation.working_dir or "", DIRECTORY)
    starts = {p: fixed(absolute(p, directory)) for p in operation.paths if not p.startswith("!")}
    ours = {p: start for p, start in starts.items() if stage.place.owns(stage.place.inside(start))}
    left_out = [
        f"{pattern!r} is left out: it looks outside of the workspace" for pattern in starts if pattern not in ours
    ]
    root = posixpath.commonpath([directory, *(_folder(stage, start) for start in ours.values())])
    names: list[str] = []
    masker = Masker(stage.around.secrets)
    patterns = [p for p in operation.paths if p in ours or p.startswith("!")]
    for path in found(patterns, directory, stage.place.inside, stage.check):
        name = path[len(root) :].lstrip("/")
        if reason := _unfit(stage, path, name, masker):
            left_out.append(f"{name!r} is left out: {reason}")
        else:
            names.append(name)
    if left_out and not names:
        raise Failure(f"none of the files found can be stored; {left_out[0]}")
    return _Chosen(root, names, left_out)


def _folder(stage: Stage, start: str) -> str:
    """The directory in which a pattern looks."""
    real = stage.place.inside(start)
    return posixpath.dirname(start) if real.is_file() or real.is_symlink() else start


def _unfit(stage: Stage, path: str, name: str, masker: Masker) -> str:
    """Why a file cannot be an artifact; empty for one that can."""
    real = stage.place.inside(path)
    try:
        if len(name.encode()) > MAX_NAME or _CONTROL.search(name):
            return "its name is too long or holds control characters"
        if masker.whole(name.encode()) != name.encode():
            return "its name holds a secret"
    except UnicodeEncodeError:
        return "its name is no UTF-8"
    resolved = real.resolve()
    if not stage.place.owns(resolved):
        return "it lies, or leads, outside of the workspace"
    return "" if resolved.is_file() else "it is no regular file"


async def _store_each(stage: Stage, chosen: _Chosen) -> None:
    names = iter(chosen.names)

    async def store() -> None:
        for name in names:  # whoever is free takes the next: a hundred thousand files are no hundred thousand tasks
            await _stored(stage, name, posixpath.join(chosen.root, name))

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(store())
    except* Failure as failures:
        raise failures.exceptions[0] from None


async def _stored(stage: Stage, name: str, path: str) -> None:
    """Hash one file, have it stored, and note it once it is complete."""

    def prepared() -> tuple[str, int, Path]:
        real = stage.place.inside(path).resolve()
        return hashed(real, stage), real.stat().st_size, real

    digest, size, real = await stage.place.work(prepared)
    try:
        await stage.around.exchange.store(LocalFile(stage.ref, name, stage.place.reached(real), size, digest))
    except NotExchanged as problem:
        raise Failure(f"artifact {name!r} could not be stored: {problem}") from None
    await stage.around.journal.write(ArtifactStored(now(), stage.ref, name, size, digest))


async def _store_packed(stage: Stage, chosen: _Chosen, name: str) -> None:
    spooled = f"{SPOOL}/artifacts-{stage.ref}"

    def packed() -> None:
        target = stage.place.inside(spooled)
        target.unlink(missing_ok=True)
        with target.open("xb") as file:
            pack(stage.place.inside(chosen.root), chosen.names, file, stage.check)

    try:
        await stage.place.work(packed)
        await _stored(stage, name, spooled)
    finally:
        stage.place.outside(spooled).unlink(missing_ok=True)
