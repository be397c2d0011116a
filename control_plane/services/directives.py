"""What a conductor is told: the whole present state first, afterwards what changes.

Called by progress (for conductors of agents) and by orchestration (for its own). Level-triggered: a feed remembers
which children are to be looked at again, not what happened to them, so nothing is queued, nothing is lost, and a
thousand changes of one child cost one directive.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from control_plane.ports.records import EntryRow, ExecutionRow
from control_plane.ports.store import Store, Unit
from control_plane.services.commits import Change, Committed
from workflow import entries
from workflow.identifiers import Attempt, ExecutionId
from workflow.journal import ChildChanged, ChildKind, Directive, Pause, Resume, Stop, TransferStored
from workflow.leases import Standing, standing
from workflow.run import told_index
from workflow.session import Fenced, LinkDown


class Feed:
    """The directives of one attempt. One reader."""

    def __init__(self, store: Store, attempt: Attempt) -> None:
        self._store = store
        self._attempt = attempt
        self._bell = asyncio.Event()
        self._own = True
        self._everything = True
        self._children: set[ExecutionId] = set()
        self._told: dict[ExecutionId, ChildChanged] = {}
        self._end: Exception | None = None
        self._closed = False
        self._bell.set()

    def changed(self, change: Change) -> None:
        """The execution itself was changed."""
        before, after = change.before, change.after
        match standing(after.attempt, after.state, self._attempt.number):
            case Standing.OVER:
                self.close()
            case Standing.FENCED | Standing.UNKNOWN:
                self.close(Fenced(f"{self._attempt} was taken back"))
            case Standing.CURRENT:
                if before is None or _wishes(before) != _wishes(after):
                    self._own = True
                    self._bell.set()

    def child_changed(self, child: ExecutionId) -> None:
        """A child was changed."""
        self._children.add(child)
        self._bell.set()

    def close(self, error: Exception | None = None) -> None:
        """Nothing more comes: the iteration ends, or raises ``error``."""
        if not self._closed:
            self._closed, self._end = True, error
            self._bell.set()

    @property
    def superseded(self) -> bool:
        """Whether another stream of the same attempt took its place."""
        return isinstance(self._end, LinkDown)

    async def directives(self) -> AsyncIterator[Directive]:
        """What to tell, without an end until the attempt is over. Fenced where a newer one took its place;
        Unavailable."""
        while not self._closed:
            await self._bell.wait()
            self._bell.clear()
            if self._closed:
                break
            for directive in await self._look():
                yield directive
        if self._end is not None:
            raise self._end

    async def _look(self) -> Sequence[Directive]:
        own, everything, children = self._own, self._everything, self._children
        self._own, self._everything, self._children = False, False, set()
        try:
            return await self._store.read(lambda unit: self._found(unit, own, everything, children))
        except BaseException:
            self._own, self._everything = self._own or own, self._everything or everything
            self._children |= children
            self._bell.set()
            raise

    def _found(self, unit: Unit, own: bool, everything: bool, children: set[ExecutionId]) -> list[Directive]:
        found: list[Directive] = []
        if own or everything:
            row = unit.executions.get(self._attempt.execution)
            if row is not None:
                found += self._own_directives(row)
        rows = unit.executions.children(self._attempt.execution) if everything else map(unit.executions.get, children)
        for child in rows:
            news = self._news(unit, child) if child is not None else None
            if news is not None:
                found.append(news)
        return found

    def _own_directives(self, row: ExecutionRow) -> list[Directive]:
        wanted: list[Directive] = []
        if row.stop is not None:
            wanted.append(Stop(*row.stop))
        elif row.paused:
            wanted.append(Pause())
        elif row.resumed:
            wanted.append(Resume())
        return wanted

    def _news(self, unit: Unit, child: ExecutionRow) -> ChildChanged | None:
        """What to tell of the child; None where it is another attempt's, or nothing is new."""
        index = told_index(self._attempt.number, child.place.index) if child.place is not None else None
        if index is None or child.place is None:
            return None
        fetched: tuple[tuple[str, str], ...] = ()
        if child.state.final and child.place.kind is ChildKind.WORKER:
            fetched = _fetched(unit.entries.of(child.id, child.attempt))
        news = ChildChanged(
            child.place.ref,
            index,
            child.id,
            child.state,
            child.ready,
            child.address,
            child.description,
            child.reason,
            fetched,
        )
        if self._told.get(child.id) == news:
            return None
        self._told[child.id] = news
        return news


class Feeds:
    """All open feeds, by execution. Listens to commits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._feeds: dict[ExecutionId, Feed] = {}

    @contextmanager
    def open(self, attempt: Attempt) -> Iterator[Feed]:
        """The feed of an attempt. A newer one ends the older, whose reader has lost its peer."""
        feed = self.begin(attempt)
        try:
            yield feed
        finally:
            self.end(attempt, feed)

    def begin(self, attempt: Attempt) -> Feed:
        """As ``open``, for who closes it himself with ``end``."""
        older = self._feeds.get(attempt.execution)
        if older is not None:
            older.close(LinkDown(f"another stream of {attempt} was opened"))
        feed = self._feeds[attempt.execution] = Feed(self._store, attempt)
        return feed

    def end(self, attempt: Attempt, feed: Feed) -> None:
        """The feed is no longer read."""
        feed.close()
        if self._feeds.get(attempt.execution) is feed:
            del self._feeds[attempt.execution]

    def committed(self, what: Committed) -> None:
        """Wake the feeds that this concerns."""
        for change in what.executions:
            feed = self._feeds.get(change.after.id)
            if feed is not None:
                feed.changed(change)
            place = change.after.place
            if place is not None and place.parent in self._feeds:
                self._feeds[place.parent].child_changed(change.after.id)


def _wishes(row: ExecutionRow) -> tuple[object, ...]:
    return (row.stop, row.paused, row.resumed)


def _fetched(rows: Sequence[EntryRow]) -> tuple[tuple[str, str], ...]:
    kind = "transfer_stored"
    stored = [entries.from_data(row.kind, row.body) for row in rows if row.kind == kind]
    return tuple((entry.digest, entry.to) for entry in stored if isinstance(entry, TransferStored))
