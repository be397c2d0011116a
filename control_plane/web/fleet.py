"""Endpoints of agents: invite, list, drain and undrain, revoke."""

from __future__ import annotations

from fastapi import APIRouter

from control_plane.web.calls import Services
from control_plane.web.refusals import Invalid, NotFound
from workflow.identifiers import agent_name
from workflow.views import AgentView, Invitation, NewAgent


def router(services: Services) -> APIRouter:
    """The endpoints below /v1."""
    api = APIRouter(prefix="/v1", tags=["agents"])

    async def found(name: str) -> AgentView:
        agent = await services.queries.agent(name)
        if agent is None:
            raise NotFound(f"there is no agent {name[:80]!r}", "list them: muster agents list")
        return agent

    @api.post("/agents", status_code=201)
    async def invite(new: NewAgent) -> Invitation:
        """A join string for one use. It is shown this once."""
        name = agent_name(new.name)
        try:
            join = await services.invitations.invite(name, new.labels, new.max_concurrent)
        except ValueError as error:
            raise Invalid(str(error)) from error
        return Invitation(name=name, join=join)

    @api.get("/agents")
    async def agents() -> tuple[AgentView, ...]:
        """By name."""
        return await services.queries.agents()

    @api.post("/agents/{name}/drain")
    async def drain(name: str) -> AgentView:
        """Give it nothing new."""
        await found(name)
        await services.drains.drain(agent_name(name))
        return await found(name)

    @api.post("/agents/{name}/undrain")
    async def undrain(name: str) -> AgentView:
        """Give it work again."""
        await found(name)
        await services.drains.undrain(agent_name(name))
        return await found(name)

    @api.post("/agents/{name}/revoke")
    async def revoke(name: str) -> AgentView:
        """Its certificates and its stream end at once."""
        await found(name)
        await services.invitations.revoke(agent_name(name))
        return await found(name)

    return api
