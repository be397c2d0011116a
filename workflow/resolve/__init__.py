"""Templates and parameters applied: from a workflow as written to a workflow as it will be planned.

``resolve`` is the whole of it. The result is a workflow again; its texts may hold ``{{ }}`` for what is known later.
"""

from __future__ import annotations

from typing import Any

from workflow.entrusted import SECRET_NAME
from workflow.model import Node

from .parameters import BadParameter, Value, cast
from .resolver import NOTHING, HandedDown, Resolution, canonical_name, resolve, resolve_with_secrets


def dump(node: Node) -> dict[str, Any]:
    """Plain data of a document or a part of it: camelCase, only what was set. Parses to the same again."""
    return node.dump()


__all__ = [
    "NOTHING",
    "SECRET_NAME",
    "BadParameter",
    "HandedDown",
    "Resolution",
    "Value",
    "canonical_name",
    "cast",
    "dump",
    "resolve",
    "resolve_with_secrets",
]
