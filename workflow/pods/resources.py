"""What a pod asks for: the largest of its step containers, not their sum, since they run one after the other.

The request stands on the conductor's container, which every version of Kubernetes understands; each step container
keeps its limits and asks for nothing, so that the scheduler counts the pod once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

from workflow.plan.nodes import Json

_SHARED = ("cpu", "memory", "ephemeral-storage")
"""What can be asked for without a limit; everything else (GPUs, huge pages) stays where it is."""

_PLAIN = re.compile(r"[0-9.eE+-]{1,40}[a-zA-Z]{0,2}")
_SUFFIXES = {
    "m": Decimal("0.001"),
    "u": Decimal("0.000001"),
    "n": Decimal("0.000000001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


class BadQuantity(ValueError):
    """A text that is no Kubernetes quantity."""


def quantity(value: Json) -> Decimal:
    """A Kubernetes quantity (``100m``, ``1.5Gi``, ``2``, ``1e3``) as a number. Raises BadQuantity."""
    text = str(value)
    if not _PLAIN.fullmatch(text):
        raise BadQuantity(f"{text!r} is no quantity")
    digits = text.rstrip("numkKMGTPEi") if not _scientific(text) else text
    suffix = text[len(digits) :]
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise BadQuantity(f"{text!r} is no quantity") from None
    if suffix not in _SUFFIXES or not number.is_finite():
        raise BadQuantity(f"{text!r} is no quantity")
    return number * _SUFFIXES[suffix]


def _scientific(text: str) -> bool:
    head, mark, tail = text.partition("e") if "e" in text else text.partition("E")
    return bool(mark and head and tail and tail.lstrip("+-").isdigit())


def of_step(resources: Mapping[str, Json]) -> dict[str, Json]:
    """A step container's own: its limits, and a request of nothing for what the pod asks for once."""
    limits = _amounts(resources, "limits")
    requests: dict[str, Json] = {name: "0" for name in limits if name in _SHARED}
    requests |= {name: value for name, value in _amounts(resources, "requests").items() if name not in _SHARED}
    found: dict[str, Json] = {}
    if limits:
        found["limits"] = limits
    if requests:
        found["requests"] = requests
    claims = resources.get("claims")
    return {**found, "claims": claims} if claims else found


def of_pod(own: Mapping[str, str], steps: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """What the conductor's container asks for: its own need or the largest step's, whichever is more."""
    most: dict[str, Json] = dict(own)
    for resources in steps:
        limits, requests = _amounts(resources, "limits"), _amounts(resources, "requests")
        for name in _SHARED:
            asked = requests.get(name, limits.get(name))
            if asked is not None and (name not in most or quantity(asked) > quantity(most[name])):
                most[name] = asked
    return {name: str(value) for name, value in most.items()}


def _amounts(resources: Mapping[str, Json], kind: str) -> dict[str, Json]:
    found = resources.get(kind)
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}
