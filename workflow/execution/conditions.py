"""Whether a condition holds. Used by course; the one place of the machine that evaluates expressions."""

from __future__ import annotations

from collections.abc import Mapping

from workflow.plan.nodes import Json


class Unanswerable(Exception):
    """A condition cannot be answered: an unknown name, a wrong type. The message is for the workflow's author."""


def holds(condition: str, names: Mapping[str, Json], env: Mapping[str, str]) -> bool:
    """Whether ``condition`` is true with these names; ``env.X`` is the empty string where ``env`` has no X."""
    plain = names.get(condition)
    if isinstance(plain, bool):  # passed, always, failed, ...: nearly all there are
        return plain
    raise Unanswerable("not yet")
