"""Sensitive parameters on their way from whoever gives them to the executions whose plans name them.

Called by planning, which seals them for the store, and by routing and sessions, which open them for the agent that gets
the execution. In between nothing holds them in clear.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from control_plane.ports.vault import Unreadable, Vault
from workflow.entrusted import MAX_VALUES, named
from workflow.expressions import ExpressionError, Function, Unresolved, Value, render, scope
from workflow.resolve import SECRET_NAME, HandedDown

__all__ = ["NO_VALUES", "BadValues", "Unreadable", "checked", "for_plan", "handed_down", "sealed", "unsealed"]

NO_VALUES: Final[Mapping[str, str]] = {}


class BadValues(ValueError):
    """These values cannot be carried. A sentence that tells nothing of them."""


def checked(values: Mapping[str, str]) -> Mapping[str, str]:
    """The values, if they can travel. BadValues."""
    size = 0
    for key, value in values.items():
        try:
            size += len(key.encode()) + len(value.encode())
        except UnicodeEncodeError:
            raise BadValues(f"the parameter {key!r} is no text: it holds half a character") from None
    if size > MAX_VALUES:
        raise BadValues(f"the sensitive parameters have {size} bytes together; {MAX_VALUES} are the most")
    return values


def for_plan(vault: Vault, plan: bytes, values: Mapping[str, str]) -> bytes:
    """Those of the values that the encoded plan names, sealed."""
    if not values:
        return b""
    keys = named(plan.decode())
    return sealed(vault, {key: value for key, value in values.items() if key in keys})


def sealed(vault: Vault, values: Mapping[str, str]) -> bytes:
    """As the store keeps them: empty where there are none."""
    return vault.seal(json.dumps(dict(values)).encode()) if values else b""


def unsealed(vault: Vault, data: bytes) -> Mapping[str, str]:
    """The values by key. Unreadable."""
    if not data:
        return NO_VALUES
    found: dict[str, str] = json.loads(vault.unseal(data))
    return found


def handed_down(references: Mapping[str, str], values: Mapping[str, str]) -> HandedDown:
    """What an executed workflow is given by one that has these values: parameters that depend on them are known, those
    that depend on secrets of a cluster are not. BadValues, ExpressionError."""
    known: dict[str, str] = {}
    later: dict[str, str] = {}
    functions: dict[str, Function] = {"secret": _secret(values)}
    for name, template in references.items():
        if named(template):
            try:
                known[name] = render(template, scope({}, functions=functions), Unresolved.FAIL).string
            except ExpressionError:  # whose words may quote a value
                raise BadValues(f"the parameter {name!r} cannot be made of {template[:200]!r}") from None
        else:
            later[name] = template
    return HandedDown(known, later)


def _secret(values: Mapping[str, str]) -> Function:
    def secret(arguments: Sequence[Value]) -> Value:
        match list(arguments):
            case [str() as name, str() as key] if name == SECRET_NAME:
                return values.get(key, "")
            case _:
                raise ExpressionError("a sensitive parameter and a secret of the cluster cannot be joined in one text")

    return secret
