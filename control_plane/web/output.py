"""Endpoints of what executions printed: lines of JSON, server-sent events, text or the bytes themselves, as the
caller accepts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Final

from fastapi import APIRouter, Header
from fastapi.responses import Response

from control_plane.services.decoding import Place
from control_plane.services.logs import START, Chunk, Logs, Wanted
from control_plane.web.calls import Services
from control_plane.web.finding import the_execution, the_run, the_subject
from control_plane.web.refusals import Invalid
from control_plane.web.streaming import Streaming, json_lines, log_events, log_lines, server_sent
from workflow.identifiers import ExecutionId, RunId
from workflow.views import ExecutionView, LogView, RunView

MAX_SINCE: Final = 256 * 1024
"""Characters that say where to go on, at the most."""

Accept = Annotated[str, Header()]


def router(services: Services) -> APIRouter:
    """The endpoints below /v1."""
    api = APIRouter(prefix="/v1", tags=["logs"])
    logs, queries = services.logs, services.queries

    @api.get("/logs/{subject}")
    async def of_subject(
        subject: str,
        since: str = "",
        follow: bool = False,
        step: str | None = None,
        agent: str | None = None,
        accept: Accept = "",
    ) -> Response:
        """Of a run or an execution."""
        found = await the_subject(queries, subject)
        return await _answer(logs, found, since, follow, Wanted(step, agent), accept)

    @api.get("/runs/{run}/log")
    async def of_run(
        run: str, follow: bool = False, step: str | None = None, agent: str | None = None, accept: Accept = ""
    ) -> Response:
        """Of all executions of a run: what is there in order of time, then as it comes."""
        return await _answer(logs, await the_run(queries, run), "", follow, Wanted(step, agent), accept)

    @api.get("/executions/{execution}/log")
    async def of_execution(
        execution: str, since: str = "", follow: bool = False, step: str | None = None, accept: Accept = ""
    ) -> Response:
        """Of one execution, behind the position ``since``."""
        return await _answer(logs, await the_execution(queries, execution), since, follow, Wanted(step), accept)

    return api


async def _answer(
    logs: Logs, subject: RunView | ExecutionView, since: str, follow: bool, wanted: Wanted, accept: str
) -> Response:
    places = _places(subject, since)
    after = {execution: place.position for execution, place in places.items()}
    if isinstance(subject, RunView):
        if wanted.step is not None and not follow:
            await logs.check_step([ExecutionId(one.id) for one in subject.executions], wanted.step)
        run = RunId(subject.id)
        source = logs.follow_run(run, wanted, after) if follow else logs.of_run(run, wanted, after)
        return _encoded(source, places, accept)
    execution = ExecutionId(subject.id)
    if wanted.step is not None:
        await logs.check_step([execution], wanted.step)
    return _encoded(logs.follow(execution, after.get(execution, START), wanted, follow=follow), places, accept)


def _places(subject: RunView | ExecutionView, since: str) -> dict[ExecutionId, Place]:
    """Behind what to go on: ``PLACE`` of an execution that is asked for, or ``EXECUTION@PLACE``, several with commas
    between. Invalid, BadPlace."""
    if len(since) > MAX_SINCE:
        raise Invalid("the place to go on from is too long to be one")
    if not since:
        return {}
    if "@" not in since and isinstance(subject, ExecutionView):
        return {ExecutionId(subject.id): Place(since)}
    pairs = [part.partition("@") for part in since.split(",")]
    if not all(at for _, at, _ in pairs):
        raise Invalid("a position is one of an execution; name the execution to read from there")
    return {ExecutionId(execution): Place(place) for execution, _, place in pairs}


def _encoded(source: AsyncGenerator[Sequence[Chunk]], places: dict[ExecutionId, Place], accept: str) -> Response:
    if "application/octet-stream" in accept:
        return Streaming(_bytes(source), media_type="application/octet-stream")
    if "text/event-stream" in accept:
        return server_sent(log_events(_views(source, places)))
    return json_lines(log_lines(_views(source, places)))


async def _views(
    source: AsyncGenerator[Sequence[Chunk]], places: dict[ExecutionId, Place]
) -> AsyncGenerator[Sequence[LogView]]:
    """Chunks as text; each execution has a place of its own."""
    async with aclosing(source):
        async for chunks in source:
            place = places.setdefault(chunks[0].execution, Place())
            if views := tuple(place.texts(chunks)):
                yield views


async def _bytes(source: AsyncGenerator[Sequence[Chunk]]) -> AsyncGenerator[bytes]:
    async with aclosing(source):
        async for chunks in source:
            if data := b"".join(chunk.data for chunk in chunks):
                yield data
