"""``content.files`` and ``content.tarball``. Called by the table of operations."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from agent.conductor.archives import unpack
from agent.conductor.failure import Failure
from agent.conductor.finding import absolute
from agent.conductor.operations.process import DIRECTORY
from agent.conductor.operations.transfers import TRANSFER_URL, fetched
from agent.conductor.place import SPOOL
from agent.conductor.stage import Stage
from agent.conductor.surroundings import from_source
from agent.conductor.texts import Texts
from workflow.plan.nodes import FetchTarball, File, WriteFiles

MAX_DOWNLOAD: Final = 4 * 1024**3
"""Bytes that are downloaded at the most."""
TRIES: Final = 5

_MODE = 0o644
_PIECE = 256 * 1024


async def write_files(stage: Stage, operation: WriteFiles) -> None:
    """Write them. Raises ``Failure``, OSError."""
    texts = Texts(stage.names, stage.around.common, stage.around.values, inside=stage.place.inside)

    def work() -> None:
        for file in operation.files:
            content = from_source(stage, file.content_from) if file.content_from else texts.text(file.content)
            _write(stage, texts.text(file.path), content, file)

    await stage.place.work(work)


def confined(stage: Stage, path: str) -> Path:
    """Where an operation may put things that a workflow calls ``path``. Raises ``Failure`` outside of the execution's
    own."""
    target = stage.place.inside(absolute(path, DIRECTORY))
    if not stage.place.owns(target.parent.resolve() / target.name):
        raise Failure(
            f"{path} lies outside of the workspace: on this machine files are put below /data, /testkube, /tmp "
            "and into new directories alone"
        )
    return target


def _write(stage: Stage, path: str, content: str, file: File) -> None:
    target = confined(stage, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.is_file():
        target.unlink()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as written:
        written.write(content)
        os.fchmod(written.fileno(), (_MODE if file.mode is None else file.mode) & 0o7777)


async def fetch_tarball(stage: Stage, operation: FetchTarball) -> None:
    """Fetch and unpack it. Raises ``Failure``, OSError."""
    operation = Texts(stage.names, stage.around.common, stage.around.values).all_of(operation)
    digest = operation.digest or operation.url.removeprefix(TRANSFER_URL)
    if operation.digest or operation.url.startswith(TRANSFER_URL):
        await fetched(stage, digest, operation.path)
        return

    def work() -> int:
        archive = stage.place.inside(f"{SPOOL}/download-{stage.ref}")
        try:
            _download(stage, operation.url, archive)
            return unpack(archive, confined(stage, operation.path), stage.check, confined=True)
        finally:
            archive.unlink(missing_ok=True)

    entries = await stage.place.work(work)
    await stage.printed.say(f"{entries} entries unpacked into {operation.path}")


def _download(stage: Stage, url: str, target: Path) -> None:
    """With several tries. Raises ``Failure``."""
    for turn in range(1, TRIES + 1):
        stage.check()
        try:
            return _downloaded(stage, url, target)
        except urllib.error.HTTPError as problem:
            if (problem.code < 500 and problem.code not in {408, 429}) or turn == TRIES:
                raise Failure(f"{_shown(url)} answers {problem.code} {problem.reason}") from None
        except (OSError, ValueError) as problem:
            if turn == TRIES or isinstance(problem, ValueError | FileNotFoundError):
                raise Failure(f"{_shown(url)} cannot be fetched: {problem}") from None
        stage.stopped.wait(0.2 * turn**2)
    raise AssertionError("the last try returns or raises")


def _downloaded(stage: Stage, url: str, target: Path) -> None:
    parts = urlsplit(url)
    if parts.scheme == "file":
        source = stage.place.inside(url2pathname(parts.path))
        target.unlink(missing_ok=True)
        target.symlink_to(source)
        source.stat()
        return
    if parts.scheme not in {"http", "https"}:
        raise ValueError("only http, https and file are known")
    taken = 0
    with urllib.request.urlopen(url, timeout=30) as answer, target.open("wb") as file:  # noqa: S310 - checked above
        while data := answer.read(_PIECE):
            stage.check()
            taken += len(data)
            if taken > MAX_DOWNLOAD:
                raise Failure(f"{_shown(url)} gives more than {MAX_DOWNLOAD} bytes")
            file.write(data)
        length = answer.headers.get("Content-Length")
        if length is not None and length.isdecimal() and int(length) != taken:
            raise OSError(f"the connection ended after {taken} of {length} bytes")


def _shown(url: str) -> str:
    """The address without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:500]
