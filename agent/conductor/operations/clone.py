"""``content.git``: a shallow fetch by the git of this machine. Called by the table of operations.

Credentials reach that one process alone: through an askpass program that answers for the repository's own host, an
environment-borne http header for its own address, or a key file that steps do not see. None is on a command line, in
the clone's configuration, or left behind.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from agent.conductor.failure import Failure
from agent.conductor.finding import absolute
from agent.conductor.operations.files import confined
from agent.conductor.operations.process import DIRECTORY
from agent.conductor.processes import Command
from agent.conductor.stage import Stage
from agent.conductor.surroundings import value_of
from agent.conductor.texts import Texts
from workflow.masking import Masker
from workflow.plan.nodes import Clone, EnvVar, GitAuth

MAX_SAID: Final = 64 * 1024
LISTED: Final = 100
"""Files that a verbose clone lists at the most."""
LONGEST_PAUSE: Final = 30.0

_FOR_GOOD = re.compile(
    r"couldn't find remote ref|not our ref|repository .*not found|does not appear to be a git repository|"
    r"authentication failed|could not read (username|password)|permission denied|403|no such file or directory",
    re.IGNORECASE,
)
_NO_REF = re.compile(r"couldn't find remote ref|not our ref|unadvertised object", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{4,64}")
_ASKPASS = """#!/bin/sh
case "$1" in
*"//$MUSTER_GIT_HOST'"* | *"@$MUSTER_GIT_HOST'"*) ;;
*) exit 1 ;;
esac
case "$1" in
Username*) printf '%s\\n' "$MUSTER_GIT_USERNAME" ;;
*) printf '%s\\n' "$MUSTER_GIT_TOKEN" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class _Access:
    """How the repository is reached: its address without credentials, and git's environment with them."""

    uri: str
    env: Mapping[str, str]
    secrets: tuple[str, ...]


class _GitFailed(Exception):
    """git said no. ``said`` is masked."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


async def clone(stage: Stage, operation: Clone) -> None:
    """Clone it. Raises ``Failure``, OSError."""
    if operation.auth is GitAuth.GITHUB:
        raise Failure("git authType github needs a GitHub App of the control plane, and there is none")
    if shutil.which("git") is None:
        raise Failure("there is no git on this machine")
    texts = Texts(stage.names, stage.around.common, stage.around.values, inside=stage.place.inside)
    operation = texts.all_of(operation)
    target = await stage.place.work(lambda: stage.place.reached(confined(stage, operation.mount_path)))
    with TemporaryDirectory(prefix="git-", dir=stage.place.private) as folder:
        git = _Git(stage, operation, target, _access(stage, operation, Path(folder)))
        await _tried(stage, operation, git)


async def _tried(stage: Stage, operation: Clone, git: _Git) -> None:
    tries = max(1, operation.retry_count)
    for turn in range(1, tries + 1):
        try:
            await git.clone()
            return
        except _GitFailed as failed:
            if turn == tries or _FOR_GOOD.search(failed.said):
                raise Failure(f"{git.shown} could not be cloned: {_last_line(failed.said)}") from None
            pause = min(turn * operation.retry_delay / 1_000_000, LONGEST_PAUSE)
            await stage.printed.say(f"try {turn} of {tries} failed, again in {pause:g} s: {_last_line(failed.said)}")
            await asyncio.sleep(pause)


class _Git:
    """One clone."""

    def __init__(self, stage: Stage, operation: Clone, target: Path, access: _Access) -> None:
        self._stage = stage
        self._operation = operation
        self._target = target
        self._access = access
        self._masker = Masker((*access.secrets, *stage.around.secrets))
        self.shown = self._masker.whole(access.uri.encode()).decode("utf-8", "replace")

    async def clone(self) -> None:
        """From an empty directory to a checkout. Raises _GitFailed."""
        operation, revision = self._operation, self._operation.revision or "HEAD"
        if revision.startswith("-"):
            raise Failure(f"{revision!r} is no revision")
        await asyncio.to_thread(_emptied, self._target)
        await self._run("init", "--quiet")
        await self._run("remote", "add", "origin", "--", self._access.uri)
        if operation.paths:
            mode = "--cone" if operation.cone else "--no-cone"
            await self._run("sparse-checkout", "set", mode, "--", *operation.paths)
        await self._checked_out(revision)
        await self._told()

    async def _checked_out(self, revision: str) -> None:
        narrow = ["--filter=blob:none"] if self._operation.paths else []
        try:
            await self._run("fetch", "--quiet", "--depth=1", "--no-tags", *narrow, "origin", revision)
            fetched = "FETCH_HEAD"
        except _GitFailed as failed:
            if not (_NO_REF.search(failed.said) and _HASH.fullmatch(revision)):
                raise
            # A short hash, or a server that gives no single commits: all of it, then.
            await self._run("fetch", "--quiet", *narrow, "origin", "+refs/*:refs/remotes/origin/*")
            fetched = revision
        await self._run("checkout", "--quiet", "--force", "--detach", fetched)

    async def _told(self) -> None:
        verbosity = self._operation.verbosity
        if verbosity == "quiet":
            return
        head = await self._run("log", "-1", "--format=%H %s")
        await self._stage.printed.say(f"{self.shown} at {head.strip()} in {self._operation.mount_path}")
        if verbosity == "verbose":
            files = (await self._run("ls-files")).splitlines()
            more = [f"... and {len(files) - LISTED} more files"] if len(files) > LISTED else []
            await self._stage.printed.say("\n".join([*files[:LISTED], *more]))

    async def _run(self, *arguments: str) -> str:
        """One git command in the clone; what it said, masked, at most MAX_SAID. Raises _GitFailed."""
        with TemporaryFile(dir=self._stage.place.private) as said:
            argv = ("git", *_SETTINGS, *arguments)
            command = Command(argv, self._access.env, str(self._target), said.fileno(), said.fileno())
            process = await self._stage.place.start_outside(command)
            self._stage.began()
            try:
                code = await process.exited
            finally:
                await self._stage.place.end_all()
            text = self._masker.whole(os.pread(said.fileno(), MAX_SAID, 0)).decode("utf-8", "replace")
        if code != 0:
            raise _GitFailed(text or f"git {arguments[0]} ended with code {code}")
        return text


_SETTINGS = (
    *("-c", "advice.detachedHead=false", "-c", "gc.auto=0", "-c", "credential.helper="),
    *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", "-c", "protocol.ext.allow=never"),
)


def _access(stage: Stage, operation: Clone, folder: Path) -> _Access:
    """What git needs to reach the repository. ``folder`` is for files that only git shall see."""
    uri, username, token = _split(operation.uri)
    username = _given(stage, operation.username) or username
    token = _given(stage, operation.token) or token
    key = _given(stage, operation.ssh_key)
    env = {**stage.around.common, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/false", "LC_ALL": "C"}
    env.pop("GIT_DIR", None)
    if token and operation.auth is GitAuth.HEADER:
        env |= _header(uri, f"Authorization: Bearer {token}")
    elif token or username:
        env |= _askpass(uri, username or "git", token, folder)
    if key:
        env["GIT_SSH_COMMAND"] = _ssh(key, folder)
    return _Access(_local(stage, uri), env, tuple(filter(None, (token, key))))


def _given(stage: Stage, variable: EnvVar | None) -> str:
    return value_of(stage, variable, stage.around.common) if variable is not None else ""


def _split(uri: str) -> tuple[str, str, str]:
    """An http address without the user and password in it, and these."""
    parts = urlsplit(uri) if uri.startswith(("http://", "https://")) else None
    if parts is None or "@" not in parts.netloc:
        return uri, "", ""
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return bare, unquote(parts.username or ""), unquote(parts.password or "")


def _header(uri: str, header: str) -> dict[str, str]:
    parts = urlsplit(uri)
    scope = f"http.{parts.scheme}://{parts.netloc}/.extraHeader"
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": scope, "GIT_CONFIG_VALUE_0": header}


def _askpass(uri: str, username: str, token: str, folder: Path) -> dict[str, str]:
    program = folder / "askpass"
    program.write_text(_ASKPASS)
    program.chmod(0o700)
    host = urlsplit(uri).netloc
    return {
        "GIT_ASKPASS": str(program),
        "MUSTER_GIT_HOST": host,
        "MUSTER_GIT_USERNAME": username,
        "MUSTER_GIT_TOKEN": token,
    }


def _ssh(key: str, folder: Path) -> str:
    path = folder / "key"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key if key.endswith("\n") else f"{key}\n")
    hosts = folder / "known_hosts"
    return (
        f"ssh -i '{path}' -o IdentitiesOnly=yes -o BatchMode=yes "
        f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile='{hosts}'"
    )


def _local(stage: Stage, uri: str) -> str:
    """A repository on this machine: the steps' own where they have made one there, else the machine's."""
    path = unquote(urlsplit(uri).path) if uri.startswith("file://") else uri if uri.startswith("/") else ""
    if not path:
        return uri
    ours = stage.place.outside(absolute(path, DIRECTORY))
    return f"file://{ours if ours.exists() else posixpath.normpath(path)}"


def _emptied(target: Path) -> None:
    """An empty directory, whatever an earlier try left in it."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in target.iterdir():
        remove: Callable[[Path], None] = shutil.rmtree if entry.is_dir() and not entry.is_symlink() else Path.unlink
        remove(entry)


def _last_line(said: str) -> str:
    lines: Sequence[str] = [line for line in said.strip().splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))]
    return (telling or lines or ["no reason given"])[0][:500]
