"""The children that each step asked for, and what they do now.

Used inside workflow.execution alone. A step's children keep their numbers through its retries, and services outlast
the step that started them; so children are kept by step, not by attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from workflow.execution.desk import Desk
from workflow.identifiers import StepRef
from workflow.journal import ChildChanged, ChildrenDropped, ChildrenResumed, ChildrenWanted, ChildSpec
from workflow.plan.nodes import Json
from workflow.states import ExecutionState

ENTRY_CHILDREN = 200
"""Children of one ChildrenWanted entry at the most."""
ENTRY_BYTES = 128 * 1024
"""Bytes of parameters in one ChildrenWanted entry, above which the next child goes into another: a message has a
limit."""
_NOT_BEGUN = frozenset({ExecutionState.QUEUED, ExecutionState.ASSIGNED})


@dataclass(slots=True)
class Child:
    """One child as last heard of. ``dropped`` says that we no longer want it."""

    spec: ChildSpec
    state: ExecutionState = ExecutionState.QUEUED
    ready: bool = False
    address: str = ""
    description: str = ""
    reason: str = ""
    fetched: tuple[tuple[str, str], ...] = ()
    resumed: bool = False
    dropped: bool = False

    @property
    def crashed(self) -> bool:
        """Whether it ended badly of its own: not because it was dropped."""
        return not self.dropped and self.state in {ExecutionState.FAILED, ExecutionState.ABORTED}


class Brood:
    """All children of one step."""

    def __init__(self, desk: Desk, ref: StepRef) -> None:
        self._desk = desk
        self.ref = ref
        self.children: dict[int, Child] = {}
        self.titles: tuple[str, ...] = ()  # names of the operation's entries, where they have some
        self._numbered = 0

    def numbered(self, specs: Iterable[ChildSpec]) -> tuple[ChildSpec, ...]:
        """The children under numbers that no earlier attempt of the step has used."""
        first = self._numbered
        result = tuple(replace(spec, index=first + place) for place, spec in enumerate(specs))
        self._numbered += len(result)
        return result

    def want(self, specs: Iterable[ChildSpec]) -> None:
        """Ask for these children."""
        for some in _portions(specs):
            self.children.update((spec.index, Child(spec, description=spec.description)) for spec in some)
            self._desk.write(ChildrenWanted(self._desk.now, self.ref, some))

    def drop(self, indices: Iterable[int], reason: str, *, expected: bool = False) -> tuple[int, ...]:
        """Give up those of these children that are open; their numbers are returned."""
        gone = tuple(i for i in indices if not self.children[i].state.final and not self.children[i].dropped)
        for index in gone:
            self.children[index].dropped = True
        if gone:
            self._desk.write(ChildrenDropped(self._desk.now, self.ref, gone, reason, expected))
        return gone

    def let_go_on(self, indices: Iterable[int]) -> None:
        """Resume these children, which wait for each other."""
        some = tuple(indices)
        for index in some:
            self.children[index].resumed = True
        if some:
            self._desk.write(ChildrenResumed(self._desk.now, self.ref, some))

    def changed(self, news: ChildChanged) -> bool:
        """Take the news; False where the child is unknown, has ended before, or nothing is new."""
        child = self.children.get(news.index)
        if child is None or child.state.final:
            return False
        before = (child.state, child.ready, child.address, child.fetched)
        child.state = news.state
        if child.state in _NOT_BEGUN:  # handed out again: it will pause again, and must be resumed again
            child.resumed, child.ready = False, False
        child.ready = child.ready or news.ready
        child.address = news.address or child.address
        child.description = news.description or child.description
        child.reason = news.reason or child.reason
        child.fetched = news.fetched or child.fetched
        return before != (child.state, child.ready, child.address, child.fetched)

    def by_item(self, item: int) -> tuple[Child, ...]:
        """Children of one entry of the operation, by their numbers."""
        return tuple(child for _, child in sorted(self.children.items()) if child.spec.item == item)

    def called(self, child: Child) -> str:
        """How a person knows the child: ``db.0`` where its entry has a name."""
        if child.spec.item < len(self.titles):
            place = [other.spec.index for other in self.by_item(child.spec.item)].index(child.spec.index)
            return f"{self.titles[child.spec.item]}.{place}"
        return child.description or child.spec.workflow or f"{child.spec.kind} {child.spec.index}"

    def open(self) -> tuple[int, ...]:
        """Numbers of children that are wanted and have not ended."""
        return tuple(i for i, child in self.children.items() if not child.state.final and not child.dropped)


class Broods:
    """The children of every step, by the step's reference."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._broods: dict[StepRef, Brood] = {}

    def of(self, ref: StepRef) -> Brood:
        """The step's children; an empty brood where it never had any."""
        brood = self._broods.get(ref)
        if brood is None:
            brood = self._broods[ref] = Brood(self._desk, ref)
        return brood

    def changed(self, news: ChildChanged) -> bool:
        """Take the news; False where it tells nothing new."""
        brood = self._broods.get(news.ref)
        return brood is not None and brood.changed(news)


def _portions(specs: Iterable[ChildSpec]) -> Iterator[tuple[ChildSpec, ...]]:
    some: list[ChildSpec] = []
    size = 0
    for spec in specs:
        weight = _weight(spec)
        if some and (len(some) >= ENTRY_CHILDREN or size + weight > ENTRY_BYTES):
            yield tuple(some)
            some, size = [], 0
        some.append(spec)
        size += weight
    if some:
        yield tuple(some)


def _weight(spec: ChildSpec) -> int:
    return 200 + _size(dict(spec.config)) + _size(dict(spec.variables)) + len(spec.description)


def _size(value: Json) -> int:
    match value:
        case str():
            return 3 * len(value) + 4
        case list():
            return sum(map(_size, value)) + 4
        case dict():
            return sum(3 * len(key) + _size(item) + 4 for key, item in value.items()) + 4
        case _:
            return 12
