"""Muster for programs: everything that people can ask of a control plane, typed, over HTTP.

Called by muster.cli, muster.mcp and muster.local. Knows nothing of the server's inside: only the people's API
(workflow.views).

    async with Muster("http://127.0.0.1:7070", token) as muster:
        run = await muster.submit(NewRun(document=text, file="every.yaml"))
        async for event in muster.watch(run.id):
            ...
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Literal, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from muster.client.connection import Connection, Params
from muster.client.errors import ClientError
from muster.client.events import MAX_EVENT
from muster.client.following import followed
from muster.client.watching import watched
from workflow.comparison import Comparison
from workflow.states import ExecutionState
from workflow.views import (
    AgentView,
    Applied,
    ApplyDocuments,
    ArtifactView,
    DocumentView,
    ExecutionView,
    Explanation,
    Invitation,
    LogView,
    NewAgent,
    NewRun,
    RunView,
    View,
    WatchEvent,
)

T = TypeVar("T")
V = TypeVar("V", bound=View)

DocumentKind = Literal["workflow", "template"]
ComparisonFormat = Literal["markdown", "html"]

_RUNS = TypeAdapter(tuple[RunView, ...])
_EXECUTIONS = TypeAdapter(tuple[ExecutionView, ...])
_ARTIFACTS = TypeAdapter(tuple[ArtifactView, ...])
_DOCUMENTS = TypeAdapter(tuple[DocumentView, ...])
_AGENTS = TypeAdapter(tuple[AgentView, ...])


class Muster:
    """One control plane. Every method raises ClientError (InvalidInput, NotThere, Unreachable), nothing else.

    ``timeout`` in seconds for each call. Safe for concurrent use within one event loop. Runs and executions are named
    by id or name.
    Who leaves an iteration early closes it (``contextlib.aclosing``).
    """

    def __init__(
        self, url: str, token: str, *, timeout: float = 30, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._connection = Connection(url, token, timeout, transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close()

    # --- runs ---

    async def submit(self, new: NewRun) -> RunView:
        """Start a run; the same ``key`` gives the same run again. InvalidInput with all problems of the document."""
        return _one(RunView, await self._connection.call("POST", "/v1/runs", body=new))

    async def runs(self, *, limit: int = 50, workflow: str | None = None) -> Sequence[RunView]:
        """The newest runs first, without their executions."""
        return _many(
            _RUNS, await self._connection.call("GET", "/v1/runs", params={"limit": limit, "workflow": workflow})
        )

    async def run(self, run: str) -> RunView:
        """One run with its executions and their steps."""
        return _one(RunView, await self._connection.call("GET", f"/v1/runs/{_part(run)}"))

    def watch(self, run: str, *, logs: bool = True, patience: float = 60) -> AsyncGenerator[WatchEvent]:
        """What happens, from the run's beginning until RunEnded; reconnects by itself for ``patience`` seconds."""
        return watched(self._connection, _part(run), logs=logs, patience=patience)

    async def cancel(self, run: str) -> RunView:
        """End it as canceled. A run that is over stays as it is."""
        return _one(RunView, await self._connection.call("POST", f"/v1/runs/{_part(run)}/cancel"))

    async def pause(self, run: str) -> RunView:
        """Start no further step."""
        return _one(RunView, await self._connection.call("POST", f"/v1/runs/{_part(run)}/pause"))

    async def resume(self, run: str) -> RunView:
        """Go on."""
        return _one(RunView, await self._connection.call("POST", f"/v1/runs/{_part(run)}/resume"))

    async def comparison(self, run: str) -> Comparison:
        """Steps and test cases in every environment."""
        return _one(Comparison, await self._connection.call("GET", f"/v1/runs/{_part(run)}/comparison"))

    async def comparison_text(self, run: str, form: ComparisonFormat) -> str:
        """The same, rendered by the server."""
        path = f"/v1/runs/{_part(run)}/comparison"
        return (await self._connection.call("GET", path, params={"format": form}, accept="*/*")).decode()

    async def junit(self, run: str) -> str:
        """The run as JUnit XML: a testsuite an environment."""
        return (await self._connection.call("GET", f"/v1/runs/{_part(run)}/junit", accept="*/*")).decode()

    async def why(self, subject: str) -> Explanation:
        """Why a run or an execution waits, or why it ended so."""
        return _one(Explanation, await self._connection.call("GET", f"/v1/why/{_part(subject)}"))

    async def executions(
        self, *, run: str | None = None, state: ExecutionState | None = None, limit: int = 100
    ) -> Sequence[ExecutionView]:
        """Of a run, or the open ones (or those in ``state``) of all runs; without steps."""
        params = {"run": run, "state": state.value if state else None, "limit": limit}
        return _many(_EXECUTIONS, await self._connection.call("GET", "/v1/executions", params=params))

    async def execution(self, execution: str) -> ExecutionView:
        """One execution with its steps."""
        return _one(ExecutionView, await self._connection.call("GET", f"/v1/executions/{_part(execution)}"))

    # --- logs and artifacts ---

    async def logs(
        self,
        subject: str,
        *,
        since: str | None = None,
        follow: bool = False,
        step: str | None = None,
        agent: str | None = None,
        patience: float = 60,
    ) -> AsyncGenerator[LogView]:
        """What a run or an execution printed, behind the position ``since``; with ``follow`` until it ends, over
        restarts of the control plane: Unreachable after ``patience`` seconds without it.

        Of a run all executions, merged as it comes; ``since`` then is not allowed. ``step`` is a reference, id or name.
        """
        path, params = f"/v1/logs/{_part(subject)}", {"step": step, "agent": agent}
        if follow:
            pieces = followed(self._connection, path, params, since=since, patience=patience)
        else:
            pieces = self._printed(path, {**params, "since": since})
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _printed(self, path: str, params: Params) -> AsyncGenerator[LogView]:
        rest = b""
        async with self._connection.open("GET", path, params=params, accept="application/x-ndjson") as answer:
            async for data in answer.aiter_bytes():
                *lines, rest = (rest + data).split(b"\n")
                if len(rest) > MAX_EVENT:
                    raise _misunderstood()
                for line in lines:
                    if line:  # an empty line is a heartbeat
                        yield _one(LogView, line)

    async def artifacts(self, run: str) -> Sequence[ArtifactView]:
        """The artifacts of all executions of a run, by execution and name."""
        return _many(_ARTIFACTS, await self._connection.call("GET", f"/v1/runs/{_part(run)}/artifacts"))

    async def artifact(self, execution: str, name: str, *, offset: int = 0) -> AsyncGenerator[bytes]:
        """One artifact's bytes from ``offset`` on. Nobody but the caller compares them with the digest."""
        path = f"/v1/executions/{_part(execution)}/artifacts/{quote(name, safe='/')}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._connection.open("GET", path, accept="*/*", headers=headers, endless=True) as answer:
            async for part in answer.aiter_bytes():
                yield part

    # --- catalog ---

    async def apply(self, text: str, file: str = "") -> Applied:
        """Store all workflows and templates of a file, or none. InvalidInput with all problems."""
        return _one(
            Applied, await self._connection.call("PUT", "/v1/documents", body=ApplyDocuments(text=text, file=file))
        )

    async def documents(self, kind: DocumentKind) -> Sequence[DocumentView]:
        """All of a kind, by name, without their texts."""
        return _many(_DOCUMENTS, await self._connection.call("GET", f"/v1/{kind}s"))

    async def document(self, kind: DocumentKind, name: str) -> DocumentView:
        """One with its text."""
        return _one(DocumentView, await self._connection.call("GET", f"/v1/{kind}s/{_name(name)}"))

    async def delete(self, kind: DocumentKind, name: str) -> None:
        """Forget it. Runs that use it go on."""
        await self._connection.call("DELETE", f"/v1/{kind}s/{_name(name)}")

    # --- fleet ---

    async def agents(self) -> Sequence[AgentView]:
        """By name."""
        return _many(_AGENTS, await self._connection.call("GET", "/v1/agents"))

    async def invite(self, new: NewAgent) -> Invitation:
        """Create an agent; its join string is shown this once."""
        return _one(Invitation, await self._connection.call("POST", "/v1/agents", body=new))

    async def drain(self, agent: str) -> AgentView:
        """Give it nothing new."""
        return _one(AgentView, await self._connection.call("POST", f"/v1/agents/{_part(agent)}/drain"))

    async def undrain(self, agent: str) -> AgentView:
        """Give it work again."""
        return _one(AgentView, await self._connection.call("POST", f"/v1/agents/{_part(agent)}/undrain"))

    async def revoke(self, agent: str) -> AgentView:
        """Its certificates and its live stream end at once."""
        return _one(AgentView, await self._connection.call("POST", f"/v1/agents/{_part(agent)}/revoke"))

    async def healthy(self) -> bool:
        """Whether a control plane answers at all (needs no token)."""
        try:
            await self._connection.call("GET", "/healthz")
        except ClientError:
            return False
        return True


def _part(text: str) -> str:
    """``text`` as one part of a path."""
    if not text or text in {".", ".."}:
        raise ClientError(f"{text!r} is no name", exit_code=2)
    return quote(text, safe="")


def _name(text: str) -> str:
    """A document's name as one part of a path: ``/`` stands for ``--``."""
    return _part(text.replace("/", "--"))


def _one(kind: type[V], body: bytes) -> V:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise _misunderstood() from error


def _many(kind: TypeAdapter[T], body: bytes) -> T:
    try:
        return kind.validate_json(body)
    except ValidationError as error:
        raise _misunderstood() from error


def _misunderstood() -> ClientError:
    return ClientError("the control plane sent what this version does not understand", "upgrade muster")
