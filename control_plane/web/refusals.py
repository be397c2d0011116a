"""Errors as people get them: a JSON object with one sentence and what to do, or all problems of a document.

Used by control_plane.web.app. Decides the status by whose fault it is: 4xx the caller's, 503 what passes by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from control_plane.ports.blobs import BlobsUnavailable
from control_plane.ports.journals import JournalUnavailable
from control_plane.ports.store import Conflict, Unavailable
from control_plane.services.decoding import BadPlace
from control_plane.services.logs import NoSuchStep
from workflow.identifiers import BadIdentifier
from workflow.labels import BadTarget
from workflow.problems import InvalidDocument, Problem
from workflow.views import ProblemView


class NotFound(Exception):
    """There is no such thing. Said as a sentence, with a hint."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class Invalid(Exception):
    """The request is wrong, in a sentence."""


def said(status: int, error: str, hint: str = "", headers: dict[str, str] | None = None) -> Response:
    """One error as JSON."""
    return JSONResponse({"error": error, "hint": hint}, status, headers)


def problem_views(problems: Sequence[Problem]) -> tuple[ProblemView, ...]:
    """Problems as people get them."""
    return tuple(
        ProblemView(
            file=one.position.file,
            line=one.position.line,
            column=one.position.column,
            code=one.code,
            message=one.message,
            hint=one.hint,
            severity=one.severity.value,
        )
        for one in problems
    )


def install(app: FastAPI) -> None:
    """Teach the application to answer every expected error."""
    app.add_exception_handler(InvalidDocument, _document)
    app.add_exception_handler(RequestValidationError, _request)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(NotFound, _not_found)
    app.add_exception_handler(NoSuchStep, _not_found)
    app.add_exception_handler(Conflict, _conflict)
    for wrong in (Invalid, BadPlace, BadIdentifier, BadTarget):
        app.add_exception_handler(wrong, _invalid)
    for gone in (Unavailable, JournalUnavailable, BlobsUnavailable):
        app.add_exception_handler(gone, _unavailable)


async def _document(request: Request, error: Exception) -> Response:
    problems = error.problems if isinstance(error, InvalidDocument) else ()
    views = problem_views(problems)
    count = sum(one.severity == "error" for one in views)
    sentence = f"the document has {count} problem{'' if count == 1 else 's'}"
    body = {"error": sentence, "hint": "", "problems": [view.model_dump(mode="json") for view in views]}
    return JSONResponse(body, 422)


async def _request(request: Request, error: Exception) -> Response:
    first = error.errors()[0] if isinstance(error, RequestValidationError) and error.errors() else None
    if first is None:
        return said(400, "the request is invalid")
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return said(400, f"{place[:200]}: {first['msg']}" if place else str(first["msg"]))


async def _http(request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, str(error.detail)) if isinstance(error, HTTPException) else (500, "")
    sentences = {404: f"there is nothing at {request.url.path[:200]}", 405: f"{request.method} is not possible there"}
    return said(status, sentences.get(status, detail or "the request is invalid"))


async def _not_found(request: Request, error: Exception) -> Response:
    return said(404, str(error), error.hint if isinstance(error, NotFound) else "")


async def _conflict(request: Request, error: Exception) -> Response:
    return said(409, str(error))


async def _invalid(request: Request, error: Exception) -> Response:
    return said(400, str(error))


async def _unavailable(request: Request, error: Exception) -> Response:
    wait = error.retry_after if isinstance(error, Unavailable) else 1.0
    return said(503, str(error), "nothing was changed; try again", {"Retry-After": str(max(1, round(wait)))})
