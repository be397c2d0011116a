"""Runs that start by themselves: ``events[].cronjob`` of the workflows in the catalog.

Run by the house as one task. It sleeps until the next firing, or until the catalog changes; what fires is submitted
like anybody's wish, with a key made of the workflow, the event and the firing's time. So each firing starts exactly
one run, whoever fires it: several control planes, or one that was killed in the middle of it. A wish that is refused (a
parameter that is missing, no agent that matches) becomes a run that is aborted at once and says why.

Policy for what was missed (the control plane was down, or the machine slept): of each event the latest missed firing
is started, once, where it is not older than an hour; the annotation ``muster.dev/start-within`` of the event says
another limit (``0s``: never late). Firings before the document was applied are not missed. Rules: workflow.schedule;
reading of documents: timetable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from control_plane.ports.clock import Clock
from control_plane.ports.records import Actor
from control_plane.ports.signals import Signals
from control_plane.ports.store import Store, Unavailable
from control_plane.services import catalog
from control_plane.services.alarm import Alarm
from control_plane.services.blueprint import iso
from control_plane.services.submission import Submission
from control_plane.services.timetable import Entry, Timetable
from workflow.identifiers import SECOND, Instant
from workflow.problems import InvalidDocument
from workflow.schedule import last_firing, next_firing
from workflow.views import NewRun

LONGEST_SLEEP: Final = 900.0
"""Seconds after which the wall clock is looked at again, since somebody may have set it."""
PROMPT: Final = 10 * SECOND
"""What starts within this time is not late."""
ACTOR: Final = Actor("schedule", "cron")

log = logging.getLogger("muster.schedules")


@dataclass(slots=True)
class _Alert:
    """An entry, up to when its firings have been seen to, and when there is more to do."""

    entry: Entry
    done: Instant
    at: Instant | None = None

    def seen_to(self, until: Instant) -> None:
        """Nothing is left to do before ``until``'s next firing."""
        self.done = until
        self.at = next_firing(self.entry.schedule, until, self.entry.zone)


class Schedules:
    """The service."""

    def __init__(self, store: Store, signals: Signals, clock: Clock, submission: Submission) -> None:
        self._signals = signals
        self._clock = clock
        self._submission = submission
        self._timetable = Timetable(store)
        self._alarm = Alarm(clock)
        self._alerts: dict[str, _Alert] = {}
        self._changed = True
        self._idle = asyncio.Event()

    async def settled(self) -> None:
        """Return once everything that is due now was started and every change of the catalog read."""
        while self._changed or not self._idle.is_set():
            await self._idle.wait()
            await asyncio.sleep(0)

    async def run(self) -> None:
        """Start what is due until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            while True:
                wait = await self._look()
                self._idle.set()
                await self._alarm.wait(None if wait is None else self._clock.monotonic() + wait)
                self._idle.clear()

    async def _listen(self) -> None:
        with self._signals.subscribe(catalog.TOPIC) as subscription:
            while True:
                await subscription.wait()
                self._changed = True
                self._alarm.ring()

    async def _look(self) -> float | None:
        """Read the catalog where it changed, start what is due; seconds until there is more to do."""
        try:
            if self._changed:
                self._changed = False
                entries = await self._timetable.read()
                self._alerts = await asyncio.to_thread(_alerts, entries, self._alerts, self._clock.now())
        except Unavailable as trouble:
            self._changed = True
            return trouble.retry_after
        now = self._clock.now()
        for alert in [each for each in self._alerts.values() if each.at is not None and each.at <= now]:
            await self._start_latest(alert, now)
        moments = [alert.at for alert in self._alerts.values() if alert.at is not None]
        if not moments:
            return None
        return min(max(min(moments) - self._clock.now(), 0) / SECOND, LONGEST_SLEEP)

    async def _start_latest(self, alert: _Alert, now: Instant) -> None:
        entry = alert.entry
        firing = last_firing(entry.schedule, _latest(alert.done, now, entry), now, entry.zone)
        if firing is None:
            alert.seen_to(now)
            return
        try:
            await self._start(_wish(entry, firing))
        except Unavailable as trouble:
            alert.at = Instant(now + round(trouble.retry_after * SECOND))
            return
        alert.seen_to(firing)

    async def _start(self, wish: NewRun) -> None:
        """A run; where there can be none, one that says so and is over. Unavailable."""
        try:
            await self._submission.submit(wish, ACTOR)
            return
        except InvalidDocument as refused:
            reason = "; ".join(str(problem) for problem in refused.problems[:3])
        except (LookupError, ValueError) as refused:
            reason = str(refused.args[0] if refused.args else refused)
        log.warning("the schedule of %s could not start it: %s", wish.workflow, reason)
        await self._submission.refused(wish, ACTOR, f"its schedule could not start it: {reason}")


def _alerts(entries: Mapping[str, Entry], known: Mapping[str, _Alert], now: Instant) -> dict[str, _Alert]:
    """What is new has missed nothing that is older than its document or than its limit."""
    found: dict[str, _Alert] = {}
    for key, entry in entries.items():
        before = known.get(key)
        alert = found[key] = _Alert(entry, entry.since)
        alert.seen_to(_latest(max(entry.since, before.done) if before is not None else entry.since, now, entry))
    return found


def _latest(done: int, now: Instant, entry: Entry) -> Instant:
    """From when on firings count."""
    return Instant(max(done, now - max(entry.start_within, PROMPT) - 1))


def _wish(entry: Entry, firing: Instant) -> NewRun:
    return NewRun(
        workflow=entry.workflow,
        config=dict(entry.config),
        target=None if entry.target is None else dict(entry.target),
        tags=dict(entry.tags),
        key=f"cron/{entry.digest}/{iso(firing)}",
    )
