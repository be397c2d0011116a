"""What an agent and its control plane say to each other, as values: the conversation of
protos/muster/v1/control.proto.

Made and read by agent.link and agent.relay on one side, control_plane.rpc and its services on the other; protos.codec
turns them into messages. The order of calls and who retries what is told in the .proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from workflow.identifiers import Attempt, Instant, StepRef
from workflow.plan.nodes import Json

PROTOCOL = 3
"""The newest version of the wire that this program speaks. 2: agents may say Noticed; 3: draining can be taken back."""
OLDEST_PROTOCOL = 1
"""And the oldest."""
LANGUAGE = 1
"""The version of the plan that this program understands."""

MAX_MESSAGE = 1024 * 1024
"""Bytes of any message at the most."""
MOST_NOTES = 20
"""Notes on an attempt at the most."""
MAX_NOTE = 400
"""Characters of one of them at the most."""
NOTICED = 2
"""The first version of the wire in which an agent may say Noticed."""
UNDRAIN = 3
"""The first version of the wire in which a control plane may say Undrain."""
MAX_AHEAD = 4 * 1024 * 1024
"""Bytes of journal under way and not acknowledged, per attempt."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """All that a conductor needs to begin. ``plan`` is the encoded plan (workflow.plan.encode); it names secrets and
    holds none.
    """

    attempt: Attempt
    plan: bytes
    variables: Mapping[str, Json] = field(default_factory=dict)
    transfers: tuple[tuple[str, str], ...] = ()  # (digest, path), unpacked before the first step
    annotations: Mapping[str, str] = field(default_factory=dict)
    log_limit: int = 0  # bytes of output that are kept of the attempt; 0: all


# --- the agent says ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """First word of a session."""

    agent_version: str
    executor: str
    max_concurrent: int
    held: tuple[Attempt, ...] = ()
    clock: Instant = Instant(0)  # noqa: RUF009 - a number by another name
    protocol: int = PROTOCOL
    oldest_protocol: int = OLDEST_PROTOCOL
    language: int = LANGUAGE


@dataclass(frozen=True, slots=True)
class Accept:
    """The agent takes the attempt."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Decline:
    """The agent does not take it: for good (``final``: policy, cannot honour) or not now."""

    attempt: Attempt
    reason: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Renews the leases of what is listed."""

    held: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class AttemptLost:
    """The conductor is gone without having finished; all it left has been relayed."""

    attempt: Attempt
    reason: str


@dataclass(frozen=True, slots=True)
class Draining:
    """The agent takes nothing new, in this session."""


@dataclass(frozen=True, slots=True)
class Taking:
    """It takes work again: the answer to Undrain. From protocol 3 on."""


@dataclass(frozen=True, slots=True)
class ChildAddress:
    """Where siblings reach a service's instance, and whether it is ready."""

    attempt: Attempt
    address: str
    ready: bool


@dataclass(frozen=True, slots=True)
class Noticed:
    """What stands in the way of an attempt, or befell it, in the words of where it runs (a cluster's events): all of
    it, oldest first. It takes the place of what was said before. From protocol 2 on.
    """

    attempt: Attempt
    notes: tuple[str, ...]


AgentSays = Accept | Decline | Heartbeat | AttemptLost | Draining | Taking | ChildAddress | Noticed


# --- the control plane says --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Welcome:
    """Answer to Hello."""

    session: int
    heartbeat_ms: int
    lease_ms: int
    abandoned: tuple[Attempt, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    protocol: int = PROTOCOL
    version: str = ""


@dataclass(frozen=True, slots=True)
class Assign:
    """Take this. ``service``: its address is wanted as soon as it is reachable. ``secrets`` are the values that the
    plan names as ``secret("muster.dev/config", key)``, by key: never logged, never written where others can read.
    """

    bundle: Bundle
    service: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Withdraw:
    """End this attempt and clean up after it, known or not."""

    attempt: Attempt
    reason: str


@dataclass(frozen=True, slots=True)
class LeaseRenewed:
    """Answer to Heartbeat."""

    clock: Instant


@dataclass(frozen=True, slots=True)
class Drain:
    """Take nothing new; finish what runs. Said again in each session."""


@dataclass(frozen=True, slots=True)
class Undrain:
    """Take work again. From protocol 3 on."""


ControlSays = Assign | Withdraw | LeaseRenewed | Drain | Undrain


# --- files -------------------------------------------------------------------------------------------------------


class FileKind(StrEnum):
    """What an uploaded file is for."""

    ARTIFACT = "artifact"
    TRANSFER = "transfer"  # between a parent and its workers; not shown to people


@dataclass(frozen=True, slots=True)
class FileOffer:
    """A file that an attempt wants stored. Idempotent by (attempt, name, digest)."""

    attempt: Attempt
    ref: StepRef
    name: str  # relative, normalised, "/"-separated, at most 1024 bytes of UTF-8
    size: int
    digest: str  # "sha256:<hex>"
    kind: FileKind = FileKind.ARTIFACT


@dataclass(frozen=True, slots=True)
class FilePosition:
    """How far an upload is; ``complete`` where nothing more is to be sent."""

    upload: str
    offset: int
    complete: bool


# --- how a conversation ends badly -------------------------------------------------------------------------------


class LinkDown(Exception):
    """The peer cannot be reached, or went away. Try again after a while; nothing is lost."""


class Refused(Exception):
    """The peer will not speak with us until a person acts: wrong certificate, revoked, versions. The message says
    what to do.
    """


class NotAdmitted(Refused):
    """The agent itself is refused, whatever it asks for: its certificate, or that of the control plane, does not
    hold."""


class Fenced(Exception):
    """Something newer took this one's place: another session of this agent, a newer attempt. Give up; do not come
    back.
    """
