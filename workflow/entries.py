"""Structural journal entries as plain JSON data and back: how the store keeps them for readings.

Written by control_plane.services.progress (``EntryRow.kind``, ``EntryRow.body``), read by everything that derives
views from them. Output is no structural entry and has no such form.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final, cast

from workflow.journal import (
    ArtifactStored,
    AttemptFinished,
    AttemptStarted,
    ChildrenDropped,
    ChildrenResumed,
    ChildrenWanted,
    StepFinished,
    StepOutput,
    StepPaused,
    StepResumed,
    StepStarted,
    TransferStored,
)
from workflow.plan.codec import decoder, encoder
from workflow.plan.nodes import Json

Structural = (
    AttemptStarted
    | StepStarted
    | StepPaused
    | StepResumed
    | StepFinished
    | StepOutput
    | ArtifactStored
    | TransferStored
    | ChildrenWanted
    | ChildrenDropped
    | ChildrenResumed
    | AttemptFinished
)
"""Every entry but Output."""

_KINDS: Final[Mapping[str, type[Structural]]] = {
    "attempt_started": AttemptStarted,
    "step_started": StepStarted,
    "step_paused": StepPaused,
    "step_resumed": StepResumed,
    "step_finished": StepFinished,
    "step_output": StepOutput,
    "artifact_stored": ArtifactStored,
    "transfer_stored": TransferStored,
    "children_wanted": ChildrenWanted,
    "children_dropped": ChildrenDropped,
    "children_resumed": ChildrenResumed,
    "attempt_finished": AttemptFinished,
}
_NAMES: Final[Mapping[type[Structural], str]] = {entry: kind for kind, entry in _KINDS.items()}


def kind_of(entry: Structural) -> str:
    """The entry's kind: its class's name in snake case."""
    return _NAMES[type(entry)]


def to_data(entry: Structural) -> dict[str, Json]:
    """Its fields by name; those that have their default are left out."""
    return cast("dict[str, Json]", encoder(cast(Hashable, type(entry)))(entry))


def from_data(kind: str, data: Mapping[str, Json]) -> Structural:
    """The entry that ``kind_of`` and ``to_data`` made this of. KeyError for an unknown kind, BadPlan for wrong
    fields."""
    return cast(Structural, decoder(cast(Hashable, _KINDS[kind]))(dict(data), kind))


__all__ = ["Structural", "from_data", "kind_of", "to_data"]
