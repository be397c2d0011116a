"""Why things wait, written down: at once after something changed, then at most once a second, a bounded number each
time.

Used by routing. A reason is written when it reads otherwise than the stored one; reasons hold no counts that change
by the second.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from control_plane.ports.clock import Clock
from control_plane.ports.records import ExecutionRow
from control_plane.ports.store import Unavailable
from control_plane.services.commits import Commits, Draft
from control_plane.services.endings import MAX_REASON
from workflow.identifiers import ExecutionId
from workflow.routing import Floor, Work
from workflow.states import ExecutionState

log = logging.getLogger("muster.routing")

SETTLE = 0.2
"""Seconds to wait for things to settle before the first look: most work is placed by then."""
PAUSE = 1.0
"""Seconds between two looks."""
MOST = 500
"""Reasons written in one unit of work."""


class Reasons:
    """Writes the reasons of what waits."""

    def __init__(self, clock: Clock, commits: Commits, floor: Floor) -> None:
        self._clock = clock
        self._commits = commits
        self._floor = floor
        self._written: dict[ExecutionId, str] = {}
        self._bell = asyncio.Event()

    def noted(self, row: ExecutionRow) -> None:
        """An execution stands so now."""
        if row.state is ExecutionState.QUEUED:
            self._written[row.id] = row.reason
            self._bell.set()
        elif self._written.pop(row.id, None) is not None and self._written:
            self._bell.set()

    def look_again(self) -> None:
        """An agent came, went or changed."""
        if self._written:
            self._bell.set()

    async def run(self) -> None:
        """Write reasons until cancelled."""
        while True:
            await self._bell.wait()
            await self._clock.sleep(SETTLE)
            self._bell.clear()
            news = self.news()
            if news:
                try:
                    await self._commits.write(lambda draft: _write(draft, news))  # noqa: B023
                except Exception as trouble:
                    if not isinstance(trouble, Unavailable):
                        log.exception("reasons were not written")
                    self._bell.set()
            if len(news) == MOST:
                self._bell.set()
            await self._clock.sleep(PAUSE)

    def news(self) -> dict[ExecutionId, str]:
        """The reasons that read otherwise than those written, at most MOST of them, first come first."""
        by_kind: dict[tuple[str, str, str | None], str] = {}
        found: dict[ExecutionId, str] = {}
        for work in self._floor.waiting():
            reason = self._reason(work, by_kind)[:MAX_REASON]
            if reason and self._written.get(work.id) != reason:
                found[work.id] = reason
                if len(found) == MOST:
                    break
        return found

    def _reason(self, work: Work, by_kind: dict[tuple[str, str, str | None], str]) -> str:
        """Those that wait for the same have the same reason."""
        kind = (work.workflow, work.demand, work.group)
        if kind not in by_kind:
            by_kind[kind] = self._floor.why(work.id)
        return by_kind[kind]


def _write(draft: Draft, news: dict[ExecutionId, str]) -> None:
    for execution, reason in news.items():
        row = draft.get(execution)
        if row is not None and row.state is ExecutionState.QUEUED:
            draft.put(replace(row, reason=reason))
