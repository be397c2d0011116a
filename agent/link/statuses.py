"""What a gRPC status means to this agent: one table. Called by everything in agent.link that speaks with the control
plane.

The other side of it is control_plane.rpc.answers.
"""

from __future__ import annotations

import time
from typing import Final

import grpc

from agent.link.identity import Identity
from workflow.session import Fenced, LinkDown, NotAdmitted, Refused

_S = grpc.StatusCode

TABLE: Final[dict[grpc.StatusCode, type[LinkDown | Refused | Fenced]]] = {
    # until a person acts
    _S.UNAUTHENTICATED: NotAdmitted,
    _S.PERMISSION_DENIED: Refused,
    _S.FAILED_PRECONDITION: Refused,
    _S.INVALID_ARGUMENT: Refused,
    _S.UNIMPLEMENTED: Refused,
    # somebody newer is there
    _S.ABORTED: Fenced,
    _S.NOT_FOUND: Fenced,
    # again later
    _S.UNAVAILABLE: LinkDown,
    _S.DEADLINE_EXCEEDED: LinkDown,
    _S.CANCELLED: LinkDown,
    _S.RESOURCE_EXHAUSTED: LinkDown,
    _S.OUT_OF_RANGE: LinkDown,
    _S.DATA_LOSS: LinkDown,
    _S.INTERNAL: LinkDown,
    _S.UNKNOWN: LinkDown,
    _S.ALREADY_EXISTS: LinkDown,
    _S.OK: LinkDown,  # it ended where we expected more
}

_TRANSPORT: Final = (
    "failed to connect",
    "Socket closed",
    "Connection reset",
    "recvmsg",
    "Broken pipe",
    "GOAWAY",
    "ping",
)
_DISTRUST: Final = {
    "certificate has expired": "it has expired; renew the control plane's certificate",
    "certificate is not yet valid": "it is not yet valid; compare the clocks of this machine and of the control plane",
    "Hostname Verification": "it is made for another name; make sure of the address",
    "CERTIFICATE_VERIFY_FAILED": "another root signed it; make sure of the address, or join again",
}
_HUNG_UP: Final = ("Socket closed", "Connection reset")  # all that is seen of a handshake that the other side refused


def meaning(code: grpc.StatusCode, details: str | None, identity: Identity) -> LinkDown | Refused | Fenced:
    """The exception to raise, in words that say what to do."""
    words = (details or "").strip() or "the connection ended"
    if code is _S.UNAVAILABLE:
        return _unavailable(words, identity)
    if code is _S.UNIMPLEMENTED:
        return Refused(f"the control plane at {identity.server} does not know this call: it is older than this agent")
    return TABLE[code](words)


def _unavailable(words: str, identity: Identity) -> LinkDown | Refused:
    """The control plane's own words, or a connection that failed: why, only the details and our own certificate
    tell."""
    if not any(sign in words for sign in _TRANSPORT):
        return LinkDown(words)
    if (why := next((why for sign, why in _DISTRUST.items() if sign in words), None)) is not None:
        return NotAdmitted(f"the certificate shown by {identity.server} is not to be trusted: {why} ({words[:300]})")
    if "failed to connect" in words and any(sign in words for sign in _HUNG_UP):
        if (end := identity.expired(time.time())) is not None:
            return NotAdmitted(
                f"the certificate of agent {identity.name} expired at {end:%Y-%m-%d %H:%M:%S} UTC; "
                f"run: muster agents create {identity.name} ... on the control plane and join again"
            )
        words += " (it closes new connections: it may not know the root of this agent's certificate; its log says more)"
    return LinkDown(f"{identity.server} cannot be reached: {words[:500]}")
