"""The dashboard: a list of runs, one run as it happens. Server-rendered, with a little script on the stream of events.

A person logs in with the token, which is kept in a cookie that no script reads and no other site sends. Everything else
the pages need is the people's API.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from control_plane.web import pages
from control_plane.web.calls import Services
from control_plane.web.finding import the_run
from control_plane.web.guard import COOKIE
from control_plane.web.refusals import NotFound
from workflow.identifiers import RunId
from workflow.rendering import html

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may do: use our own script, style and API."""
REMEMBERED: Final = 7 * 24 * 3600
"""Seconds for which a browser stays logged in."""


def router(services: Services, token: str) -> APIRouter:
    """The pages."""
    api = APIRouter(include_in_schema=False)
    _add_login(api, token)
    _add_assets(api)
    _add_pages(api, services)
    return api


def _add_login(api: APIRouter, token: str) -> None:
    @api.get("/login")
    async def form() -> Response:
        return _shown(pages.login_page())

    @api.post("/login")
    async def login(request: Request) -> Response:
        given = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=4).get("token", [""])[0]
        if not hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode()):
            return _shown(pages.login_page("The token was not accepted."), 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, max_age=REMEMBERED, httponly=True, samesite="strict", path="/")
        return answer

    @api.post("/logout")
    async def logout() -> Response:
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/")
        return answer


def _add_assets(api: APIRouter) -> None:
    for name, kind in (("dashboard.css", "text/css"), ("dashboard.js", "text/javascript")):
        content = files("control_plane.web").joinpath("assets", name).read_bytes()
        api.add_api_route(f"/assets/{name}", _asset(content, kind), methods=["GET"])


def _asset(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def asset() -> Response:
        return Response(content, media_type=kind)

    return asset


def _add_pages(api: APIRouter, services: Services) -> None:
    queries = services.queries

    @api.get("/")
    async def runs() -> Response:
        return _shown(pages.runs_page(await queries.runs(50), await queries.agents()))

    @api.get("/parts/runs")
    async def runs_part() -> Response:
        return _shown(pages.runs_table(await queries.runs(50)) + pages.agents_table(await queries.agents()))

    @api.get("/runs/{run}")
    async def run(run: str) -> Response:
        try:
            found = await the_run(queries, run)
        except NotFound as missing:
            return _shown(pages.message_page("Not found", str(missing)), 404)
        comparison = html(await services.comparisons.of_run(found))
        why = await services.explanations.of_run(found)
        return _shown(pages.run_page(found, why.sentences, comparison, await queries.artifacts(found.id) or ()))

    @api.get("/parts/runs/{run}/why")
    async def why_part(run: str) -> Response:
        found = await the_run(queries, run)
        return _shown(pages.why_list((await services.explanations.of_run(found)).sentences))

    @api.get("/parts/runs/{run}/artifacts")
    async def artifacts_part(run: str) -> Response:
        return _shown(pages.artifact_list(await queries.artifacts(run) or ()))

    @api.post("/runs/{run}/cancel")
    async def cancel(run: str) -> Response:
        try:
            found = await the_run(queries, run)
        except NotFound as missing:
            return _shown(pages.message_page("Not found", str(missing)), 404)
        await services.submission.cancel(RunId(found.id), "a person")
        return RedirectResponse(f"/runs/{quote(found.name, safe='')}", 303)


def _shown(page: str, status: int = 200) -> Response:
    return HTMLResponse(page, status, {"Content-Security-Policy": POLICY})
