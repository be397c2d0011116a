"""The enrolment port: where an agent without a certificate gets its first one. HTTPS of our own root; called by the
assembly.

GET /ca.pem: the roots, for who compares them with a pinned hash. POST /v1/enrol {"token", "csr"} -> {"name", "chain",
"roots", "life"}: ``csr`` is base64 of DER, ``chain`` and ``roots`` are PEM, ``life`` is in seconds. 403 an invitation
that is none; 429 too many of those; 400 a bad request; 413 too large; 503 try again. Every refusal is {"detail":
sentence}.
"""

from __future__ import annotations

from typing import Annotated, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import Base64Bytes, BaseModel, ConfigDict, StringConstraints, ValidationError

from control_plane.ports.authority import BadRequest
from control_plane.ports.store import Unavailable
from control_plane.services.enrolment import MAX_TOKEN, Enrolment, Grant, SlowDown
from workflow.session import Refused

MAX_BODY: Final = 64 * 1024
"""Bytes of a request's body at the most."""


class Wish(BaseModel):
    """Body of POST /v1/enrol."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TOKEN)]
    csr: Base64Bytes


class Granted(BaseModel):
    """Its answer."""

    name: str
    chain: str
    roots: str
    life: int


def application(enrolment: Enrolment) -> FastAPI:
    """The port as an ASGI application. It has no pages about itself."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/ca.pem")
    async def roots() -> Response:
        return Response(enrolment.roots_pem(), media_type="application/x-pem-file")

    @app.post("/v1/enrol")
    async def enrol(request: Request) -> Granted:
        wish = _wish(await _body(request))
        source = request.client.host if request.client else ""
        try:
            return _granted(await enrolment.enrol(wish.token, wish.csr, source=source))
        except SlowDown as refusal:
            raise HTTPException(429, str(refusal), {"Retry-After": "60"}) from None
        except Refused as refusal:
            raise HTTPException(403, str(refusal)) from None
        except BadRequest as refusal:
            raise HTTPException(400, str(refusal)) from None
        except Unavailable as problem:
            raise HTTPException(503, str(problem), {"Retry-After": str(max(1, round(problem.retry_after)))}) from None

    return app


async def _body(request: Request) -> bytes:
    """The body, read no further than MAX_BODY whatever its length was said to be."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"a request to enrol has at most {MAX_BODY} bytes")
    return body


def _wish(body: bytes) -> Wish:
    try:
        return Wish.model_validate_json(body)
    except ValidationError:
        raise HTTPException(400, 'the body must be {"token": text, "csr": base64 of DER}') from None


def _granted(grant: Grant) -> Granted:
    chain = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in grant.issued.chain]
    return Granted(name=grant.name, chain=b"".join(chain).decode(), roots=grant.roots_pem.decode(), life=grant.life)
