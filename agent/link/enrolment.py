"""Joining: from a join string to an identity. Called by the assembly, once in an agent's life and again when its
certificate ended.

The roots are fetched from a server that nobody vouches for yet and compared with the pinned hash; only then is the
token shown, over TLS checked against these roots. The key is made here and stays here.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
import time
from pathlib import Path
from typing import Final

import httpx

from agent.link import identity
from agent.link.identity import Identity
from agent.link.join import Join, parse
from workflow.session import LinkDown, Refused

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer at the most."""
DEADLINE: Final = 30.0


async def enrol(join: str, state: Path) -> Identity:
    """Take the invitation and keep the identity in ``state``. BadJoin; LinkDown (try again, the invitation is still
    good); Refused; OSError where the identity cannot be kept."""
    invitation = parse(join)
    roots = await _pinned_roots(invitation)
    key, request = identity.new_key()
    answer = await _taken(invitation, roots, request)
    found = identity.made(
        server=invitation.server,
        key=key,
        chain=_part(answer, "chain"),
        roots=_part(answer, "roots"),
        received=time.time(),
        life=_life(answer),
    )
    await asyncio.to_thread(identity.save, state, found)
    return found


async def _pinned_roots(invitation: Join) -> bytes:
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE  # what comes is compared with the pin before it is used for anything
    status, roots = await _ask(unchecked, "GET", f"{invitation.enrol}/ca.pem", invitation)
    if status != httpx.codes.OK:
        raise LinkDown(f"{invitation.enrol} does not give its root certificate (HTTP {status})")
    if not hmac.compare_digest(f"sha256:{hashlib.sha256(roots).hexdigest()}", invitation.pin):
        raise Refused(
            f"the server at {invitation.enrol} is not the one that made this invitation, or its root was "
            "replaced since: make sure of the address, and make another invitation"
        )
    return roots


async def _taken(invitation: Join, roots: bytes, request: bytes) -> dict[str, object]:
    checked = ssl.create_default_context(cadata=roots.decode("ascii"))
    body = {"token": invitation.token, "csr": base64.b64encode(request).decode()}
    status, content = await _ask(checked, "POST", f"{invitation.enrol}/v1/enrol", invitation, body)
    try:
        answer = httpx.Response(status, content=content).json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        answer = {}
    if status == httpx.codes.OK:
        return answer
    reason = str(answer.get("detail", f"HTTP {status}"))[:1000]
    if status in {httpx.codes.TOO_MANY_REQUESTS, *range(500, 600)}:
        raise LinkDown(f"the control plane cannot enrol this agent now: {reason}")
    raise Refused(f"the control plane refuses to enrol this agent: {reason}")


async def _ask(
    trust: ssl.SSLContext, method: str, url: str, invitation: Join, body: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and body, at most MAX_ANSWER. The invitation is there for words alone."""
    content = b""
    try:
        async with (
            asyncio.timeout(DEADLINE),
            httpx.AsyncClient(verify=trust, follow_redirects=False) as client,
            client.stream(method, url, json=body) as answer,
        ):
            async for chunk in answer.aiter_raw(MAX_ANSWER):
                content += chunk
                if len(content) > MAX_ANSWER:
                    raise Refused(
                        f"{invitation.enrol} answers with more than {MAX_ANSWER} bytes: it is no control plane"
                    )
    except httpx.ConnectError as problem:
        if (why := _distrust(problem)) is not None:
            raise Refused(f"the certificate shown at {invitation.enrol} is not to be trusted: {why}") from None
        raise LinkDown(f"{invitation.enrol} cannot be reached: {problem}") from None
    except (httpx.HTTPError, TimeoutError) as problem:
        raise LinkDown(f"{invitation.enrol} cannot be reached: {problem or 'no answer in time'}") from None
    return answer.status_code, content


def _distrust(problem: BaseException | None) -> str | None:
    """Why the server's certificate was refused, where it was."""
    while problem is not None:
        if isinstance(problem, ssl.SSLCertVerificationError):
            return problem.verify_message
        problem = problem.__cause__ or problem.__context__
    return None


def _part(answer: dict[str, object], name: str) -> str:
    part = answer.get(name)
    return part if isinstance(part, str) else ""


def _life(answer: dict[str, object]) -> int:
    life = answer.get("life")
    return life if isinstance(life, int) else 0
