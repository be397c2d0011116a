"""Endpoints of artifacts: listed by run, downloaded by execution and name, in ranges, never shown by a browser."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Header
from fastapi.responses import Response

from control_plane.web.calls import Services
from control_plane.web.finding import the_execution
from control_plane.web.refusals import NotFound, said
from control_plane.web.streaming import Streaming
from workflow.identifiers import ExecutionId
from workflow.views import ArtifactView

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def router(services: Services) -> APIRouter:
    """The endpoints below /v1."""
    api = APIRouter(prefix="/v1", tags=["artifacts"])
    queries, artifacts = services.queries, services.artifacts

    @api.get("/runs/{run}/artifacts")
    async def of_run(run: str) -> tuple[ArtifactView, ...]:
        """Of all executions, each of its present attempt."""
        found = await queries.artifacts(run)
        if found is None:
            raise NotFound(f"there is no run {run[:80]!r}", "list them: muster get runs")
        return found

    @api.get("/executions/{execution}/artifacts/{name:path}")
    async def download(execution: str, name: str, range: Annotated[str, Header()] = "") -> Response:  # noqa: A002
        """The bytes of one, or a range of them."""
        found = await artifacts.find(ExecutionId((await the_execution(queries, execution)).id), name)
        if found is None:
            raise NotFound(
                f"execution {execution[:80]} has no artifact {name[:80]!r}", "list them: muster artifacts RUN"
            )
        headers = _headers(found.name, found.digest)
        start, end = 0, found.size
        if range:
            wanted = _span(range, found.size)
            if wanted is None:
                return said(416, "that range is not in the file", "", {"Content-Range": f"bytes */{found.size}"})
            start, end = wanted
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.size}"
        headers["Content-Length"] = str(end - start)
        return Streaming(
            artifacts.read(found.digest, start, end - start),
            206 if range else 200,
            headers,
            media_type="application/octet-stream",
        )

    return api


def _headers(name: str, digest: str) -> dict[str, str]:
    """Those that keep a browser from making anything of what a test left."""
    last = name.rpartition("/")[2]
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(last, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
        "ETag": f'"{digest}"',
    }


def _span(header: str, size: int) -> tuple[int, int] | None:
    """Start and end of a single range of ``size`` bytes; None where it holds no byte, or is no such range."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
    return (start, end) if start < end else None
