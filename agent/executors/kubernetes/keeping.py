"""Who the agent is, kept in a Secret of its cluster: its next pod, on whatever node, is the same agent.

Made by ``opening`` where ``cluster.toml`` names a Secret, called by the assembly: read once at the start, written when
the agent joined and after each renewal of its certificate. It must not know what an identity holds. The agent may
change this one Secret and no other.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Final

from agent.executors.kubernetes.calls import ApiDown, ApiRefused, Calls
from workflow.session import LinkDown

IDENTITY: Final = "identity.json"
INVITATION: Final = "invitation"
"""Keys of the Secret."""


@dataclass(frozen=True, slots=True)
class Content:
    """What the Secret holds. An invitation is there from its making until it was taken."""

    identity: str | None = field(default=None, repr=False)
    invitation: str | None = field(default=None, repr=False)


class Kept:
    """One Secret. Every method raises LinkDown, with what to do, where the cluster does not let us."""

    def __init__(self, calls: Calls, namespace: str, secret: str) -> None:
        self._calls = calls
        self._secret = f"{namespace}/{secret}"
        self._path = f"/api/v1/namespaces/{namespace}/secrets/{secret}"

    async def read(self) -> Content:
        """Nothing where there is no such Secret."""
        try:
            found = await self._calls.get(self._path) or {}
            data = {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}
        except (ApiDown, ApiRefused) as problem:
            raise LinkDown(f"the secret {self._secret} with this agent's identity cannot be read: {problem}") from None
        except ValueError:
            raise LinkDown(f"the secret {self._secret} holds no text") from None
        return Content(data.get(IDENTITY) or None, data.get(INVITATION) or None)

    async def keep(self, identity: str) -> None:
        """Replace the identity; an invitation is used up and goes."""
        data = {IDENTITY: base64.b64encode(identity.encode()).decode(), INVITATION: None}
        try:
            await self._calls.merge(self._path, {"data": data})
        except (ApiDown, ApiRefused) as problem:
            raise LinkDown(f"the identity cannot be kept in the secret {self._secret}: {problem}") from None

    async def close(self) -> None:
        """Hang up."""
        await self._calls.close()
