"""What the assembly decides about pods. Parsed once, passed as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.conductor.pod.terms import PORT
from workflow.plan.nodes import Json


class Tools(StrEnum):
    """How busybox comes into the step containers."""

    IMAGE = "image"  # a volume that is our image: nothing is copied or waited for. Kubernetes 1.35, containerd 2.2
    HOOK = "hook"  # the conductor's container starts first and lays it down; costs no start of a container
    INIT = "init"  # an init container does


class Profile(StrEnum):
    """What every pod is held to where its workflow says nothing else."""

    RESTRICTED = "restricted"  # the Pod Security profile of that name, as user 1001
    IMAGE = "image"  # whatever user the image names


class Reach(StrEnum):
    """How conductors are reached."""

    ADDRESS = "address"  # inside the cluster: the pod's IP
    TUNNEL = "tunnel"  # from outside: the API server forwards a port


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after which something that does not come is given up."""

    pull: float = 120.0
    """An image that cannot be pulled."""
    pending: float = 600.0
    """A pod that no node takes, or whose volumes cannot be mounted."""
    removal: float = 40.0
    """A pod that was deleted, before it is deleted without waiting for its node."""
    silence: float = 90.0
    """A watch that says nothing at all; the API server breaks the silence once a minute by itself."""
    relist: float = 240.0
    """A watch that lasts. Whatever it did not tell is seen in the list that follows: nothing waits longer for it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one agent makes pods."""

    agent: str
    """The agent's name: the label by which its objects are known."""
    namespace: str
    image: str
    """Our image: the conductor's, and that of steps that name none."""
    namespaces: tuple[str, ...] = ()
    """Other namespaces that a workflow may ask for (``job.namespace``)."""
    tools: Tools = Tools.HOOK
    profile: Profile = Profile.RESTRICTED
    reach: Reach = Reach.ADDRESS
    patience: Patience = Patience()
    pull_policy: str | None = None
    service_account: str | None = None
    """For pods that name none; without a token."""
    requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "10m", "memory": "64Mi"})
    """What the conductor itself needs."""
    grace: int = 15
    """Seconds that a pod has to end when it is deleted."""
    port: int = PORT
    user: int = 1001
    group: int = 1001
    alone: int = 24 * 3600
    version: str = ""
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Image -> what it runs by itself, for steps that name no command."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables that every step has, and every clone: proxies, mirrors of repositories."""
    pod: Mapping[str, Json] = field(default_factory=dict)
    """Fields that every pod gets where its workflow does not set them: tolerations, node selector, pull secrets."""

    @property
    def everywhere(self) -> tuple[str, ...]:
        """Every namespace that may hold something of this agent's."""
        return tuple(dict.fromkeys((self.namespace, *self.namespaces)))
