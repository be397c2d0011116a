"""What a conductor in a pod is told. Made by the Kubernetes executor, laid down beside the bundle; travels as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, cast

PORT: Final = 7444
"""Where a conductor listens for its agent."""

TERMS: Final = "terms.json"
BUNDLE: Final = "bundle.z"
CA: Final = "ca.pem"
CERTIFICATE: Final = "conductor.pem"
"""Names in the directory that the kubelet lays down: terms, the packed bundle, whom to trust, own key and
certificate."""


@dataclass(frozen=True, slots=True)
class PodTerms:
    """How one conductor shall work."""

    containers: Mapping[str, str]
    """Step reference -> name of the container in which it runs."""
    impossible: Mapping[str, str] = field(default_factory=dict)
    """Containers that the pod does not have -> why it cannot."""
    shared: tuple[str, ...] = ("/data", "/testkube", "/tmp", "/.tktw")  # noqa: S108 - the pod's own
    """Directories that the conductor and every step see at the same path."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """``field/<path>`` or ``resource/<step>/<name>`` -> the variable of the conductor that holds it."""
    own: str = "/muster"
    """The conductor's own directory: journal, scratch."""
    values: str = "/muster-values"
    """Where Secrets and ConfigMaps are laid down: ``secret/<name>/<key>``, ``config/<name>/<key>``."""
    work: str = "/.tktw"
    """Where gates and jobs lie."""
    tools: str = "/.tktw/bin"
    """Where busybox lies, as the steps see it."""
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Image -> what it runs by itself, as far as the agent knows it."""
    host: str = ""
    version: str = ""
    listen: str = ""
    """The address to listen on; empty: all of the pod's."""
    port: int = PORT
    env: Mapping[str, str] = field(default_factory=dict)
    """What every step has in its environment, and every clone."""
    alone: int = 24 * 3600
    """Seconds without an agent after which the conductor gives up."""

    @property
    def gates(self) -> Path:
        """A folder for each container."""
        return Path(self.work) / "gates"

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> PodTerms:
        """The reverse."""
        found = cast("dict[str, object]", json.loads(text))
        found["shared"] = tuple(cast("list[str]", found["shared"]))
        return cls(**found)  # type: ignore[arg-type]
