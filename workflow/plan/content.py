"""``content`` and ``artifacts`` as operations. Used by the planner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from workflow.model import Artifacts, Content, Fetch, FileContent, GitContent, Tarball, ValueSource
from workflow.model import Transfer as TransferConfig
from workflow.plan.containers import path_below
from workflow.plan.nodes import (
    Clone,
    EnvVar,
    FetchTarball,
    File,
    GitAuth,
    SaveArtifacts,
    Transfer,
    WriteFiles,
)
from workflow.plan.parts import Part
from workflow.plan.static import Statics


def content_parts(content: Content | None, statics: Statics) -> Iterator[Part]:
    """Files, then the repository, then archives."""
    if content is None:
        return
    if content.files:
        yield Part(WriteFiles(tuple(_file(file) for file in content.files)), "Write files")
    if content.git is not None:
        yield Part(_clone(content.git, statics), "Clone repository", retried=True)
    for tarball in content.tarball:
        yield Part(FetchTarball(tarball.path, tarball.url), "Fetch archive", retried=True)


def artifacts(config: Artifacts, working_dir: str | None) -> SaveArtifacts:
    """``artifacts`` of a step whose processes run in ``working_dir``."""
    compress = config.compress.name if config.compress is not None else None
    return SaveArtifacts(config.paths, path_below(working_dir, config.working_dir), compress)


def transfer(config: TransferConfig | Fetch) -> Transfer:
    """Files handed to a worker, or brought back; they keep their place unless another is given."""
    return Transfer(config.from_, _patterns(config.files), config.to or config.from_)


def packed(config: Tarball) -> Transfer:
    """Files packed for a child workflow."""
    return Transfer(config.from_ or ".", _patterns(config.files))


def _patterns(files: Sequence[JsonValue] | str | None) -> tuple[str, ...]:
    """Globs; an expression that gives a list becomes the template that is opened into its items."""
    if not files:
        return ("**/*",)
    if isinstance(files, str):
        return (files if "{{" in files else f"{{{{ {files} }}}}",)
    return tuple(str(item) for item in files)


def _file(file: FileContent) -> File:
    source = file.content_from.dump() if file.content_from is not None else None
    return File(file.path, file.content or "", source, file.mode)


def _clone(git: GitContent, statics: Statics) -> Clone:
    retry = git.retry
    auth = statics.text(git, "auth_type") or GitAuth.BASIC
    return Clone(
        uri=git.uri or "",
        revision=git.revision or None,
        mount_path=git.mount_path or "/data/repo",
        paths=git.paths,
        cone=git.cone,
        auth=GitAuth(auth) if auth in set(GitAuth) else GitAuth.BASIC,
        username=_credential("TK_GIT_USERNAME", git.username, git.username_from),
        token=_credential("TK_GIT_TOKEN", git.token, git.token_from),
        ssh_key=_credential("TK_SSH_KEY", git.ssh_key, git.ssh_key_from),
        verbosity=git.verbosity or "verbose",
        retry_count=retry.count if retry is not None and retry.count is not None else 5,
        retry_delay=(statics.duration(retry, "delay") if retry is not None else None) or 100_000,
    )


def _credential(name: str, text: str | None, source: ValueSource | None) -> EnvVar | None:
    if text is None and source is None:
        return None
    return EnvVar(name, text or "", source.dump() if source is not None else None)
