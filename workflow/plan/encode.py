"""A plan as plain JSON data and back.

Called by the control plane (to store a plan and to send it in a bundle), by the conductor (to read it), by ``muster
plan`` and the web (``describe``). Generic over the dataclasses of workflow.plan.nodes: a field added there travels
by itself, and is left out of the data while it has its default, so that an older reader refuses only plans that
truly use what it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from workflow.plan.codec import BadPlan, decoder, encoder
from workflow.plan.describe import Line, describe
from workflow.plan.nodes import Json, Plan

__all__ = ["VERSION", "BadPlan", "Line", "decode", "describe", "encode", "from_bytes", "to_bytes"]

VERSION = 1
"""The version that ``encode`` writes and ``decode`` takes."""


def encode(plan: Plan) -> dict[str, Json]:
    """The plan as JSON data with its version under ``v``."""
    return {"v": VERSION, **cast("dict[str, Json]", encoder(Plan)(plan))}


def decode(data: Mapping[str, Json]) -> Plan:
    """The plan that ``encode`` made this of. Raises ``BadPlan`` for another version, an unknown field, a wrong type."""
    if not isinstance(data, Mapping):
        raise BadPlan("a plan must be a mapping")
    version = data.get("v")
    if version != VERSION or isinstance(version, bool):
        raise BadPlan(f"the plan has version {version!r}; this program reads version {VERSION}")
    try:
        return cast(Plan, decoder(Plan)({key: value for key, value in data.items() if key != "v"}, "plan"))
    except RecursionError as error:
        raise BadPlan("the plan is nested too deep") from error


def to_bytes(plan: Plan) -> bytes:
    """The plan as it travels in a bundle: compact JSON in UTF-8."""
    return json.dumps(encode(plan), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def from_bytes(data: bytes) -> Plan:
    """The plan that ``to_bytes`` made this of. Raises ``BadPlan``."""
    try:
        return decode(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, BadPlan) else BadPlan(f"the plan is no JSON: {error}") from error
