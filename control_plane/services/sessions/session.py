"""One session of one agent, as the control plane holds it.

Made by Sessions; heard and read by control_plane.rpc. It keeps what is to be said until the stream takes it, and
bounds that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from workflow.identifiers import AgentName, Attempt
from workflow.session import AgentSays, ControlSays, Hello, LinkDown, Welcome

MOST_UNSAID: Final = 20_000
"""Messages that wait for the stream at the most; an agent that takes none is cut off."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a session begins with."""

    welcome: Welcome
    offers: tuple[ControlSays, ...] = ()


class OpenSession:
    """The session. Over when ``next`` raises.

    A thousand idle ones are held at once, so it keeps no task and no event of its own.
    """

    __slots__ = (
        "_bell", "_end", "_hear", "_leave", "_unsaid", "_welcome", "agent", "draining", "hello", "withdrawn",
    )  # fmt: skip

    def __init__(
        self,
        agent: AgentName,
        hello: Hello,
        hear: Callable[[OpenSession, AgentSays], Awaitable[None]],
        leave: Callable[[OpenSession], None],
    ) -> None:
        self.agent = agent
        self.hello = hello
        self.draining = False
        """The agent said that it takes nothing new."""
        self.withdrawn: frozenset[Attempt] = frozenset()
        """What it listed and does not hold, and was told so."""
        self._hear = hear
        self._leave = leave
        self._welcome: Welcome | None = None
        self._unsaid: deque[ControlSays] | None = None  # made when something is to be said
        self._bell: Callable[[], None] | None = None
        self._end: Exception | None = None

    @property
    def welcome(self) -> Welcome:
        """The answer to Hello."""
        assert self._welcome is not None, "a session is handed out when it is open"
        return self._welcome

    def begin(self, opening: Opening) -> None:
        """It is open. What was said meanwhile follows the offers; taking something twice is harmless."""
        self._welcome = opening.welcome
        self._unsaid = deque((*opening.offers, *(self._unsaid or ()))) or None
        self._ring()

    async def heard(self, message: AgentSays) -> None:
        """The agent said this. Raises what ended the session, where it has ended; Unavailable where it cannot be
        stored."""
        self._check()
        await self._hear(self, message)

    def attend(self, bell: Callable[[], None]) -> None:
        """From now on ring ``bell`` when there is something for ``next``; also at once, where there is already."""
        self._bell = bell
        if self._unsaid or self._end is not None:
            bell()

    def unattended(self) -> None:
        """Nobody is rung any more: who spoke is about to end."""
        self._bell = None

    def next(self) -> ControlSays | None:
        """What to say next; None where there is nothing now. Raises Fenced where a newer session of this agent began,
        Refused where it was revoked, LinkDown where it was silent for too long. One reader."""
        if self._unsaid:
            return self._unsaid.popleft()
        self._unsaid = None
        self._check()
        return None

    async def close(self) -> None:
        """The stream is over."""
        self._leave(self)
        self.end(LinkDown("the session was closed"))

    def say(self, message: ControlSays) -> None:
        """Say it as soon as the stream takes it."""
        if self._end is not None:
            return
        if self._unsaid is None:
            self._unsaid = deque()
        if len(self._unsaid) >= MOST_UNSAID:
            self.end(LinkDown(f"{self.agent} takes no messages"))
            return
        self._unsaid.append(message)
        self._ring()

    def end(self, error: Exception) -> None:
        """The session is over, for this reason. The first one counts."""
        if self._end is None:
            self._end = error
            self._unsaid = None
            self._ring()

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell()

    def _check(self) -> None:
        if self._end is not None:
            raise self._end
