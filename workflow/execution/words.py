"""Sentences for people about what the machine did. Used inside workflow.execution alone."""

from __future__ import annotations

from workflow.identifiers import SECOND
from workflow.plan.nodes import Step


def duration(microseconds: int) -> str:
    """``90_000_000`` as ``1m30s``; below a second in milliseconds."""
    if microseconds < SECOND:
        return f"{microseconds / 1000:g}ms"
    seconds, rest = divmod(microseconds, SECOND)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else ""]
    if seconds or rest:
        parts.append(f"{seconds + rest / SECOND:g}s")
    return "".join(parts)


def called(step: Step) -> str:
    """How a person knows the step: its reference and its name."""
    return f"step {step.ref}" + (f" ({step.name})" if step.name else "")


def skipped(condition: str) -> str:
    """Why a step did not run."""
    if condition in {"passed", "success"}:
        return "not run: an earlier step did not pass"
    return f"not run: its condition does not hold: {condition}"[:500]
