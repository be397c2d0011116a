"""What an agent and a conductor say to each other, as values: the conversation of protos/muster/v1/conductor.proto.

Called by agent.relay and the executors on one side, agent.conductor on the other. The order is told in the .proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from workflow.identifiers import Attempt, StepRef
from workflow.journal import Directive, Record
from workflow.session import Bundle, FileKind

# --- to the conductor --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attach:
    """First word: whose conductor this should be, and what the control plane holds already."""

    attempt: Attempt
    acknowledged: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything up to ``seq`` is durable; forget it."""

    seq: int


@dataclass(frozen=True, slots=True)
class Release:
    """All is acknowledged: clean up and exit."""


@dataclass(frozen=True, slots=True)
class FileTaken:
    """Send the file's bytes from ``offset`` on, ``window`` bytes ahead at the most."""

    file: int
    offset: int
    window: int
    complete: bool = False


@dataclass(frozen=True, slots=True)
class FileData:
    """Bytes of a file that the conductor wanted."""

    file: int
    offset: int
    data: bytes
    last: bool = False


@dataclass(frozen=True, slots=True)
class FileRefused:
    """The offer or wish cannot be met. ``again``: worth repeating later."""

    file: int
    reason: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class SecretValues:
    """Values of the secrets that the plan names: ``secret/<name>/<key>`` -> value. Never journalled, always masked."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)


CONDUCTOR: Final = "conductor"
"""The container in which a conductor runs; no step's is called so."""


@dataclass(frozen=True, slots=True)
class ContainerGone:
    """In a pod: what the cluster says of a step's container that ended or never came up. ``final``: it will not run
    (again). Of CONDUCTOR itself: why the whole pod is to end.
    """

    container: str
    reason: str
    final: bool = False


ToConductor = (
    Attach | Bundle | Stored | Directive | Release | FileTaken | FileData | FileRefused | SecretValues | ContainerGone
)

# --- from the conductor ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attached:
    """Answer to Attach. Said again with ``leaving`` when the pod is told to end: who knows why should say so."""

    attempt: Attempt
    bundled: bool
    last: int
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Records:
    """The next records, in order."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class FileOffered:
    """A file to be stored. ``file`` is the conductor's number for this conversation."""

    file: int
    ref: StepRef
    name: str
    size: int
    digest: str
    kind: FileKind = FileKind.ARTIFACT


@dataclass(frozen=True, slots=True)
class FileChunk:
    """Bytes of an offered file, in order."""

    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class FileWanted:
    """A transfer blob, from ``offset`` on."""

    file: int
    digest: str
    offset: int = 0


FromConductor = Attached | Records | FileOffered | FileChunk | FileWanted
