"""Names of things: what they look like and how children's names follow from their parents'.

Used by every package. Knows nothing of where identifiers come from: fresh ones are drawn by the shells
(control_plane.ports.clock) and handed in; only those that follow from others are made here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

RunId = NewType("RunId", str)
ExecutionId = NewType("ExecutionId", str)
AgentName = NewType("AgentName", str)
StepRef = NewType("StepRef", str)
"""A step's place in its plan, dotted and counted from 1: ``2.1`` is the first child of the second step."""
Instant = NewType("Instant", int)
"""Microseconds since 1970-01-01 UTC."""

SECOND = 1_000_000
"""Microseconds in a second, the unit of every duration inside the core."""

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_REF = re.compile(r"[1-9][0-9]{0,5}(?:\.[1-9][0-9]{0,5}){0,31}")


class BadIdentifier(ValueError):
    """A text from outside that was to be an identifier is none. The message says which and why."""


def execution_id(text: str) -> ExecutionId:
    """``text`` checked as an execution's id: 1 to 64 of ``a-z 0-9 -``."""
    return ExecutionId(_checked(_ID, "execution id", text))


def run_id(text: str) -> RunId:
    """``text`` checked as a run's id: 1 to 64 of ``a-z 0-9 -``."""
    return RunId(_checked(_ID, "run id", text))


def agent_name(text: str) -> AgentName:
    """``text`` checked as an agent's name: 1 to 64 of ``a-z 0-9 -``, as a DNS label."""
    return AgentName(_checked(_ID, "agent name", text))


def workflow_name(text: str) -> str:
    """``text`` checked as a workflow's name: a DNS subdomain of at most 253 characters; ``/`` stands for ``--``."""
    return _checked(_NAME, "workflow name", text.replace("/", "--"))


def step_ref(text: str) -> StepRef:
    """``text`` checked as a step's reference, such as ``2.1``."""
    return StepRef(_checked(_REF, "step reference", text))


def child_of(parent: StepRef | None, index: int) -> StepRef:
    """The reference of the ``index``-th child (from 1) of ``parent``; of the plan itself where None."""
    return StepRef(f"{parent}.{index}" if parent else str(index))


def _checked(pattern: re.Pattern[str], what: str, text: str) -> str:
    if not pattern.fullmatch(text):
        raise BadIdentifier(f"{text[:80]!r} is no {what}: it must match {pattern.pattern}")
    return text


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One handing-out of one execution: its epoch. What bears an older number changes nothing."""

    execution: ExecutionId
    number: int  # from 1

    def __str__(self) -> str:
        return f"{self.execution}#{self.number}"
