"""What a conductor is told when it is started. Made by the executor, read by main; travels as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import cast

from agent.conductor.workspace import Isolation

BUNDLE = "bundle"
TERMS = "terms"
JOURNAL = "journal"
SOCKET = "socket"
LOCK = TERMS
WORKSPACE = "workspace"
"""Names inside an attempt's folder."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How one conductor shall work."""

    folder: str
    """The attempt's folder, which holds the bundle already."""
    env: dict[str, str]
    """What every step has in its environment."""
    shell: tuple[str, ...]
    keep: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    host: str = ""
    version: str = ""
    alone: int = 24 * 3600
    """Seconds without an agent after which the conductor gives up."""
    isolation: Isolation = Isolation.NAMESPACES
    why: str = ""
    """Why there are no namespaces, where there are none."""

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Terms:
        """The reverse."""
        found = cast("dict[str, object]", json.loads(text))
        found["isolation"] = Isolation(str(found["isolation"]))
        for name in ("shell", "keep", "hide"):
            found[name] = tuple(cast("list[str]", found[name]))
        return cls(**found)  # type: ignore[arg-type]
