"""The next events of one orchestrated execution: answers first, then what was heard, then timers. Used by
orchestration."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from control_plane.ports.clock import Clock
from control_plane.ports.store import Unavailable
from control_plane.services.alarm import Alarm
from control_plane.services.directives import Feed
from control_plane.services.orchestration.conductor import Conductor, fired
from workflow.execution.events import Event, Told
from workflow.identifiers import SECOND
from workflow.journal import ChildChanged
from workflow.session import Fenced, LinkDown

MOST = 256
"""Directives that wait at the most, and events that are stored together."""


class Inbox:
    """What waits to be fed to the machine."""

    def __init__(self, clock: Clock, conductor: Conductor) -> None:
        self._clock = clock
        self._conductor = conductor
        self._alarm = Alarm(clock)
        self._answers: deque[Event] = deque()
        self._heard: asyncio.Queue[Event] = asyncio.Queue(MOST)
        self._monotonic: dict[str, float] = {}
        self._over = False

    def answer(self, events: Sequence[Event]) -> None:
        """The machine asked for these; they come before anything from outside, so that their order follows from the
        events alone."""
        self._answers.extend(events)

    def answered(self, event: Event) -> None:
        """In a replay: ``event`` was stored; where it is the answer that is due, it is not given again."""
        if self._answers and self._answers[0] == event:
            self._answers.popleft()

    async def hear(self, feed: Feed) -> None:
        """Take directives until there are no more. Of children only their end matters to who executes them."""
        while not self._over:
            try:
                async for directive in feed.directives():
                    if not isinstance(directive, ChildChanged) or directive.state.final:
                        await self._heard.put(Told(self._clock.now(), directive))
                        self._alarm.ring()
                self._over = True
            except (Fenced, LinkDown):
                self._over = True
            except Unavailable as trouble:
                await self._clock.sleep(trouble.retry_after)
        self._alarm.ring()

    async def next(self) -> Sequence[Event]:
        """The next events; none where the execution was ended by somebody else."""
        while True:
            if self._answers:
                return [self._answers.popleft()]
            found: list[Event] = []
            while not self._heard.empty() and len(found) < MOST:
                found.append(self._heard.get_nowait())
            due = self._due_timers()
            if found or due or self._over:
                return [*found, *due]
            await self._alarm.wait(min(self._monotonic.values(), default=None))

    def _due_timers(self) -> list[Event]:
        """Timers whose moment has come. Their length counts by the monotonic clock from when we first see them."""
        now, wall = self._clock.monotonic(), self._clock.now()
        for timer in list(self._monotonic):
            if timer not in self._conductor.timers:
                del self._monotonic[timer]
        for timer, (set_at, after) in self._conductor.timers.items():
            if timer not in self._monotonic:
                elapsed = min(max(wall - set_at, 0), after)
                self._monotonic[timer] = now + (after - elapsed) / SECOND
        due = [timer for timer, at in self._monotonic.items() if at <= now]
        for timer in due:
            del self._monotonic[timer]
            del self._conductor.timers[timer]
        return [fired(timer, wall) for timer in due]
