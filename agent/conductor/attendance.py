"""Who hears the server of a conductor: passes on to the host, and watches whether an agent is there at all.

Made by the mains of conductors. It must not know sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from agent.ports.conductor import ContainerGone, SecretValues
from workflow.journal import Directive, Stop
from workflow.states import ExecutionState

_LAST_WORDS = 60
"""Seconds that an execution has to end once nobody came for it."""
_LOOK = 30
"""Seconds after which a conductor that is alone looks whether its folder is still there."""


class Host(Protocol):
    """Who runs the execution; agent.conductor.host, which is loaded only after this."""

    def told(self, directive: Directive) -> None:
        """A directive of the control plane, or of the conductor itself."""
        ...

    def entrusted(self, values: SecretValues) -> None:
        """The values of the secrets that the plan names."""
        ...


class Attendance:
    """Who hears the server: passes on to the host, and watches whether anybody is there."""

    def __init__(self, patience: int, wanted: Callable[[], bool] = lambda: True) -> None:
        """``patience``: seconds for which it waits for an agent. ``wanted``: whether what it does is still of use."""
        self.release = asyncio.Event()
        self._patience = patience
        self._wanted = wanted
        self._host: Host | None = None
        self._early: list[Directive] = []
        self._values: SecretValues | None = None
        self.present = False
        self._changed = asyncio.Event()

    def serve(self, host: Host) -> None:
        """The host is there: tell it what was heard before."""
        self._host = host
        if self._values is not None:
            host.entrusted(self._values)
        for directive in self._early:
            host.told(directive)
        self._early.clear()

    def told(self, directive: Directive) -> None:
        if self._host is None:
            self._early.append(directive)
        else:
            self._host.told(directive)

    def entrusted(self, values: SecretValues) -> None:
        self._values = values
        if self._host is not None:
            self._host.entrusted(values)

    def bereft(self, gone: ContainerGone) -> None:
        """Processes of this machine are in no container."""

    def released(self) -> None:
        self.release.set()

    def attended(self, present: bool) -> None:
        self.present = present
        self._changed.set()

    async def watch(self) -> None:
        """Give up when no agent comes for a long time, or when the folder was deleted meanwhile."""
        while await self._awaited():
            pass
        self.told(Stop(ExecutionState.ABORTED, f"no agent came for this execution for {self._patience} s"))
        await asyncio.sleep(_LAST_WORDS if self._wanted() else 0)
        self.released()

    async def _awaited(self) -> bool:
        """Wait for the next coming or going; False where it was waited for long enough."""
        end = asyncio.get_running_loop().time() + self._patience
        self._changed.clear()
        while self._wanted():
            left = end - asyncio.get_running_loop().time()
            if left <= 0 and not self.present:
                return False
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self.present else min(left, _LOOK)):
                    await self._changed.wait()
                return True
        return False
