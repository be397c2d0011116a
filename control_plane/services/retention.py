"""Forgets runs that ended long ago, with their journals and files, where the settings say so.

Run by the assembly as one task. A run goes in one unit of work, its journals before it, so that a control plane that is
killed in the middle goes on where it was. The files that nothing refers to any more are marked in the same unit, and
deleted a day later unless somebody stored the same content meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from control_plane.ports.blobs import BlobsUnavailable
from control_plane.ports.clock import Clock
from control_plane.ports.journals import JournalLog, JournalUnavailable
from control_plane.ports.records import ExecutionRow, RunRow
from control_plane.ports.store import Store, Unavailable, Unit
from control_plane.services.artifacts import TRANSFER_STORED, Artifacts
from workflow.identifiers import SECOND, Instant, RunId

EVERY: Final = 3600.0
"""Seconds between two rounds."""
DAY: Final = 24 * 3600 * SECOND
GRACE: Final = DAY
"""Microseconds for which a file that nothing refers to stays: longer than any upload of the same content takes."""
BATCH: Final = 50

log = logging.getLogger("muster.retention")


class Retention:
    """See the module. ``keep`` is in seconds; zero: everything is kept."""

    def __init__(self, store: Store, journals: JournalLog, artifacts: Artifacts, clock: Clock, keep: float) -> None:
        self._store = store
        self._journals = journals
        self._artifacts = artifacts
        self._clock = clock
        self._keep = round(keep * SECOND)

    async def run(self) -> None:
        """A round now and then, until cancelled."""
        while True:
            try:
                await self.round()
            except (Unavailable, JournalUnavailable, BlobsUnavailable) as trouble:
                log.warning("old runs stay for now: %s", trouble)
            await self._clock.sleep(EVERY)

    async def round(self) -> int:
        """Forget what is old enough; how many runs that were. Unavailable, JournalUnavailable, BlobsUnavailable."""
        forgotten = 0
        while self._keep and (gone := await self._some(Instant(self._clock.now() - self._keep))):
            forgotten += gone
        if forgotten:
            log.info("%s runs were forgotten that ended more than %g days ago", forgotten, self._keep / DAY)
        before = Instant(self._clock.now() - GRACE)
        for digest in await self._store.read(lambda unit: unit.garbage.marked(before, 1_000_000)):
            await self._artifacts.forget(digest)
        return forgotten

    async def _some(self, before: Instant) -> int:
        rows = await self._store.read(lambda unit: unit.runs.ended(before, BATCH))
        return sum([await self._forget(row) for row in rows])

    async def _forget(self, run: RunRow) -> bool:
        executions = await self._store.read(lambda unit: unit.executions.of_run(run.id))
        if not all(execution.state.final for execution in executions):
            return False  # something of it is still being stopped
        for execution in executions:
            await self._journals.remove(execution.id)
        now = self._clock.now()
        return await self._store.write(lambda unit: _removed(unit, run.id, executions, now))


def _removed(unit: Unit, run: RunId, executions: Sequence[ExecutionRow], now: Instant) -> bool:
    digests = {digest for execution in executions for digest in _files(unit, execution)}
    gone = unit.runs.remove(run)
    for digest in digests:
        if not unit.entries.uses(digest):
            unit.garbage.mark(digest, now)
    return gone


def _files(unit: Unit, execution: ExecutionRow) -> set[str]:
    """The digests of all files that an execution stored, offered or was handed."""
    plan = unit.executions.plan(execution.id)
    offered = (entry for entry in unit.entries.of(execution.id) if entry.kind == TRANSFER_STORED)
    return {
        *(artifact.digest for artifact in unit.entries.artifacts(execution.id)),
        *(str(entry.body["digest"]) for entry in offered),
        *(digest for digest, _ in (plan.transfers if plan else ())),
    }
