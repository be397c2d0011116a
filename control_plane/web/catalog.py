"""Endpoints of workflows and templates."""

from __future__ import annotations

from fastapi import APIRouter

from control_plane.ports.records import DocumentKind
from control_plane.web.calls import Services
from control_plane.web.refusals import Invalid, NotFound
from workflow.views import Applied, ApplyDocuments, DocumentView


def router(services: Services) -> APIRouter:
    """The endpoints below /v1."""
    api = APIRouter(prefix="/v1", tags=["catalog"])

    @api.put("/documents")
    async def apply(documents: ApplyDocuments) -> Applied:
        """Store all workflows and templates of a file, or none."""
        try:
            return await services.documents.apply(documents.text, documents.file or "document")
        except ValueError as error:
            raise Invalid(str(error)) from error

    for kind in DocumentKind:
        _add(api, services, kind)
    return api


def _add(api: APIRouter, services: Services, kind: DocumentKind) -> None:
    """List, show and delete one kind."""
    path = f"/{kind.value}s"

    async def every() -> tuple[DocumentView, ...]:
        """By name, without their texts."""
        return await services.queries.documents(kind)

    async def one(name: str) -> DocumentView:
        """With its text."""
        found = await services.queries.document(kind, name)
        if found is None:
            raise _missing(kind, name)
        return found

    async def delete(name: str) -> None:
        """Runs that use it go on."""
        if not await services.documents.delete(kind, name):
            raise _missing(kind, name)

    api.add_api_route(path, every, methods=["GET"], name=f"{kind.value}s")
    api.add_api_route(f"{path}/{{name}}", one, methods=["GET"], name=kind.value)
    api.add_api_route(f"{path}/{{name}}", delete, methods=["DELETE"], status_code=204, name=f"delete {kind.value}")


def _missing(kind: DocumentKind, name: str) -> NotFound:
    return NotFound(f"there is no {kind.value} {name[:80]!r}", f"list them: muster get {kind.value}s")
