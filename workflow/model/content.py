"""Files that a workflow, a step or a service brings along."""

from __future__ import annotations

from pydantic import Field

from .kubernetes import ValueSource
from .node import Boolean, Integer, Node, Template


class GitRetry(Node):
    """How often and how patiently a clone is tried again."""

    count: Integer | None = Field(default=None, ge=1, le=20)
    delay: Template | None = None


class GitContent(Node):
    """A shallow clone."""

    uri: Template | None = None
    revision: Template | None = None
    username: Template | None = None
    username_from: ValueSource | None = None
    token: Template | None = None
    token_from: ValueSource | None = None
    ssh_key: Template | None = None
    ssh_key_from: ValueSource | None = None
    auth_type: Template | None = None
    mount_path: Template | None = None
    cone: Boolean = False
    paths: tuple[Template, ...] = ()
    verbosity: Template | None = None
    retry: GitRetry | None = None


class FileContent(Node):
    """One file: its text, or where the text comes from."""

    path: Template = Field(min_length=1)
    content: Template | None = None
    content_from: ValueSource | None = None
    mode: Integer | None = Field(default=None, ge=0, le=0o7777)


class TarballContent(Node):
    """An archive, fetched and unpacked."""

    url: Template = Field(min_length=1)
    path: Template = Field(min_length=1)
    mount: Boolean | None = None


class Content(Node):
    """Files, repositories and archives."""

    git: GitContent | None = None
    files: tuple[FileContent, ...] = ()
    tarball: tuple[TarballContent, ...] = ()
