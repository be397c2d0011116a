"""Values as JSON has them: what plans and journals carry without knowing what it means."""

from __future__ import annotations

from typing import Union

Json = Union[None, bool, int, float, str, list["Json"], dict[str, "Json"]]  # noqa: UP007 - it names itself
"""A value as JSON has it; Kubernetes structures that only the Kubernetes executor reads are kept so."""
