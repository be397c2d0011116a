"""Whether the control plane serves, and its figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from control_plane.web.calls import Services
from workflow.states import ExecutionState


def router(services: Services) -> APIRouter:
    """The endpoints."""
    api = APIRouter(tags=["health"])
    agents = Gauge("muster_agents_connected", "Agents with an open session.", registry=services.metrics)
    load = Gauge("muster_agent_load", "Executions that occupy an agent.", ["agent"], registry=services.metrics)
    states = Gauge("muster_executions", "Executions that are open, by state.", ["state"], registry=services.metrics)

    @api.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Serves where the store can be read."""
        await services.queries.alive()
        return {"status": "ok"}

    @api.get("/metrics")
    async def metrics() -> Response:
        """In Prometheus's text format."""
        fleet = await services.queries.agents()
        agents.set(sum(one.connected for one in fleet))
        load.clear()
        for one in fleet:
            load.labels(one.name).set(one.load)
        counts = await services.queries.open_states()
        for state in ExecutionState:
            if not state.final:
                states.labels(state.value).set(counts[state])
        return Response(generate_latest(services.metrics), media_type=CONTENT_TYPE_LATEST)

    return api
