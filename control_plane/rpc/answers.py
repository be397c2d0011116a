"""Which exception is which gRPC status: one table. Called by every handler.

What agents do about each status is agent.link.statuses; the two tables must agree (tests/agent/link shows it over a
real socket).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc
from google.protobuf.message import DecodeError

from control_plane.ports.authority import BadRequest
from control_plane.ports.blobs import BlobsUnavailable, DigestMismatch
from control_plane.ports.journals import JournalGap, JournalUnavailable
from control_plane.ports.store import Unavailable
from control_plane.rpc.gate import Context
from control_plane.rpc.peers import Stranger
from control_plane.services.artifacts import BadOffer, NoSuchUpload, NotYours
from protos.codec.checks import WireError
from workflow.session import Fenced, LinkDown, Refused

log = logging.getLogger("muster.rpc")

_S = grpc.StatusCode

TABLE: Final[tuple[tuple[type[Exception], grpc.StatusCode], ...]] = (
    (Stranger, _S.UNAUTHENTICATED),
    (Refused, _S.FAILED_PRECONDITION),
    (Fenced, _S.ABORTED),
    (LinkDown, _S.UNAVAILABLE),  # the peer's older stream, or one that was silent for too long
    (NotYours, _S.PERMISSION_DENIED),
    (WireError, _S.INVALID_ARGUMENT),
    (DecodeError, _S.INVALID_ARGUMENT),
    (BadRequest, _S.INVALID_ARGUMENT),
    (BadOffer, _S.INVALID_ARGUMENT),
    (NoSuchUpload, _S.OUT_OF_RANGE),  # begin again
    (JournalGap, _S.OUT_OF_RANGE),  # go on from the acknowledged number
    (DigestMismatch, _S.DATA_LOSS),  # begin again
    (Unavailable, _S.UNAVAILABLE),
    (JournalUnavailable, _S.UNAVAILABLE),
    (BlobsUnavailable, _S.UNAVAILABLE),
    (TimeoutError, _S.DEADLINE_EXCEEDED),
    (LookupError, _S.NOT_FOUND),
    (grpc.aio.InternalError, _S.UNAVAILABLE),  # the peer went away while it was written to
)
"""First match wins: narrower ones stand above wider ones."""


def status_of(error: Exception) -> tuple[grpc.StatusCode, str]:
    """The status and the sentence for the peer. What stands in no table is our bug: logged, and not told."""
    for kind, status in TABLE:
        if isinstance(error, kind):
            return status, _sentence(error)
    log.error("a handler failed", exc_info=error)
    return _S.INTERNAL, "the control plane made a mistake; its log says more"


@asynccontextmanager
async def answered(context: Context) -> AsyncIterator[None]:
    """Whatever the handler raises inside becomes the call's status."""
    try:
        yield
    except grpc.aio.AbortError:
        raise
    except Exception as error:  # noqa: BLE001 (the table knows all that may come; the rest is logged)
        status, sentence = status_of(error)
        await context.abort(status, sentence)


def _sentence(error: Exception) -> str:
    """KeyError shows its argument quoted; everybody else speaks."""
    words = str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
    return words.encode("utf-8", "replace").decode()[:2000]
