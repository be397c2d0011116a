"""The people's port: JSON with OpenAPI, server-sent events, the dashboard.

Called by the assembly, which serves it on loopback, or behind a proxy. Every request but /healthz, the login and its
assets needs the token.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI

from control_plane.web import catalog, dashboard, files, fleet, health, output, refusals, runs
from control_plane.web.calls import Services
from control_plane.web.guard import LOOPBACK, Guard

PARTS = (runs, output, files, catalog, fleet, health)


def create(services: Services, *, token: str, version: str = "", hosts: Iterable[str] = LOOPBACK) -> FastAPI:
    """The application. ``hosts`` are the names under which it may be called, without a port."""
    app = FastAPI(
        title="Muster",
        version=version or "dev",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        separate_input_output_schemas=False,
    )
    refusals.install(app)
    for part in PARTS:
        app.include_router(part.router(services))
    app.include_router(dashboard.router(services, token))
    app.add_middleware(Guard, token=token, hosts=hosts)
    return app
