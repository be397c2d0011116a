"""Endpoints of runs and executions: start, look, watch, steer, compare, explain."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from control_plane.ports.records import Actor
from control_plane.services.watching import places_of
from control_plane.web.calls import Services
from control_plane.web.finding import the_execution, the_run, the_subject
from control_plane.web.refusals import Invalid, NotFound
from control_plane.web.streaming import heard_events, server_sent
from workflow.comparison import Comparison
from workflow.identifiers import RunId
from workflow.labels import BadTarget
from workflow.rendering import html, junit, markdown
from workflow.states import ExecutionState
from workflow.views import ExecutionView, Explanation, NewRun, RunView

Limit = Annotated[int, Query(ge=1, le=1000)]
PERSON = Actor("user")
"""Who asks on the people's port: the token names nobody."""


def router(services: Services) -> APIRouter:
    """The endpoints below /v1."""
    api = APIRouter(prefix="/v1", tags=["runs"])
    _add_runs(api, services)
    _add_steering(api, services)
    _add_readings(api, services)
    _add_executions(api, services)
    return api


def _add_runs(api: APIRouter, services: Services) -> None:
    queries = services.queries

    @api.post("/runs", status_code=201)
    async def submit(new: NewRun) -> RunView:
        """Start a run. The same key gives the same run again."""
        return await the_run(queries, await _submitted(services, new))

    @api.get("/runs")
    async def runs(limit: Limit = 50, workflow: str | None = None) -> tuple[RunView, ...]:
        """The newest first, without their executions."""
        return await queries.runs(limit, workflow)

    @api.get("/runs/{run}")
    async def run(run: str) -> RunView:
        """By id or name, with executions and steps."""
        return await the_run(queries, run)

    @api.get("/runs/{run}/watch")
    async def watch(
        run: str, logs: bool = True, last_event_id: Annotated[str, Header()] = "", after: str = ""
    ) -> Response:
        """Server-sent events ``run``, ``execution``, ``step``, ``log``, ``end``; goes on behind Last-Event-ID."""
        places = places_of(last_event_id or after)
        found = await the_run(queries, run)
        return server_sent(heard_events(services.watching.watch(found, places, logs=logs)))


async def _submitted(services: Services, new: NewRun) -> RunId:
    if new.document is None and not new.workflow:
        raise Invalid("a run needs a document, or the name of an applied workflow")
    try:
        return await services.submission.submit(new, PERSON)
    except LookupError as error:
        raise NotFound(str(error), "list what there is: muster get workflows, muster get agents") from error
    except (BadTarget, ValueError) as error:
        raise Invalid(str(error)) from error


def _add_steering(api: APIRouter, services: Services) -> None:
    queries, submission = services.queries, services.submission

    async def found(run: str) -> RunId:
        return RunId((await the_run(queries, run)).id)

    @api.post("/runs/{run}/cancel")
    async def cancel(run: str) -> RunView:
        """End it as canceled."""
        await submission.cancel(await found(run), "a person")
        return await the_run(queries, run)

    @api.post("/runs/{run}/pause")
    async def pause(run: str) -> RunView:
        """Start no further step."""
        await submission.pause(await found(run))
        return await the_run(queries, run)

    @api.post("/runs/{run}/resume")
    async def resume(run: str) -> RunView:
        """Go on."""
        await submission.resume(await found(run))
        return await the_run(queries, run)


def _add_readings(api: APIRouter, services: Services) -> None:
    queries, comparisons = services.queries, services.comparisons

    @api.get("/runs/{run}/comparison", response_model=Comparison)
    async def comparison(run: str, format: Literal["json", "markdown", "html"] = "json") -> Comparison | Response:  # noqa: A002
        """Steps and test cases in every environment."""
        compared = await comparisons.of_run(await the_run(queries, run))
        match format:
            case "json":
                return compared
            case "markdown":
                return PlainTextResponse(markdown(compared), media_type="text/markdown")
            case "html":
                return HTMLResponse(html(compared))

    @api.get("/runs/{run}/junit")
    async def junit_report(run: str) -> Response:
        """JUnit XML: a testsuite an environment."""
        compared = await comparisons.of_run(await the_run(queries, run))
        return Response(junit(compared), media_type="application/xml")

    @api.get("/runs/{subject}/why")
    @api.get("/why/{subject}")
    async def why(subject: str) -> Explanation:
        """Why a run or an execution waits, or ended so."""
        found = await the_subject(queries, subject)
        if isinstance(found, RunView):
            return await services.explanations.of_run(found)
        return await services.explanations.of_execution(found)


def _add_executions(api: APIRouter, services: Services) -> None:
    queries = services.queries

    @api.get("/executions")
    async def executions(
        run: str | None = None, state: ExecutionState | None = None, limit: Limit = 100
    ) -> tuple[ExecutionView, ...]:
        """Of a run, or the open ones (or those in a state) of all runs; without steps."""
        return await queries.executions(run=run, state=state, limit=limit)

    @api.get("/executions/{execution}")
    async def execution(execution: str) -> ExecutionView:
        """By id, with its steps."""
        return await the_execution(queries, execution)

    @api.get("/executions/{execution}/why")
    async def why_execution(execution: str) -> Explanation:
        """Why it waits, or ended so."""
        return await services.explanations.of_execution(await the_execution(queries, execution))
