"""Names and labels of what is made in the cluster. Deterministic: whoever repeats a launch finds its own objects."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from workflow.identifiers import Attempt, BadIdentifier, execution_id

EXECUTION: Final = "muster.dev/execution"
ATTEMPT: Final = "muster.dev/attempt"
AGENT: Final = "muster.dev/agent"
"""Labels on everything."""
SERVICE: Final = "muster.dev/service"
"""On pods of services: their address is wanted."""

PREFIX: Final = "muster-"
"""How the names of everything that is ours begin."""

_LABEL: Final = 63


def pod_name(attempt: Attempt) -> str:
    """Of the pod, and of the secret beside it."""
    return f"{PREFIX}{attempt.execution}-{attempt.number}"


def claim_name(attempt: Attempt, claim: str) -> str:
    """Of a volume claim: once per execution and attempt."""
    fitting = claim.lower().replace("_", "-").replace(".", "-")
    return f"{pod_name(attempt)}-{fitting}"[:253].rstrip("-.")


def labels(attempt: Attempt, agent: str) -> dict[str, str]:
    """By which its objects are found."""
    return {AGENT: agent, EXECUTION: _short(attempt.execution), ATTEMPT: str(attempt.number)}


def identity(attempt: Attempt) -> dict[str, str]:
    """Annotations that say the attempt in full, as a label might not."""
    return {EXECUTION: attempt.execution, ATTEMPT: str(attempt.number)}


def selector(agent: str) -> str:
    """Everything of an agent."""
    return f"{AGENT}={agent}"


def attempt_of(annotations: Mapping[str, str] | None) -> Attempt | None:
    """The attempt to which an object belongs, or None where it is no sound object of ours."""
    found = annotations or {}
    number = found.get(ATTEMPT, "")
    try:
        if number.isdecimal() and 0 < int(number) < 2**31:
            return Attempt(execution_id(found.get(EXECUTION, "")), int(number))
    except BadIdentifier:
        pass
    return None


def _short(text: str) -> str:
    return text if len(text) <= _LABEL else f"{text[:46]}-{sha256(text.encode()).hexdigest()[:16]}"
