"""From the text of a file to plain data that knows where it stood.

Called by ``workflow.model`` (and by whoever wants the documents of a file without their meaning). It knows YAML and
JSON and their limits; it must not know what a workflow is.

Values are typed as the reference's YAML library types them (``yes`` and ``on`` are booleans, ``0644`` is octal,
dates and ``12:30`` are text), and every key is text. What no workflow needs and an attacker likes (tags, huge or
deep documents, alias bombs, repeated keys) is refused early, in bounded time and memory.
"""

from __future__ import annotations

from .documents import Document, read, read_documents
from .limits import MAX_ALIASED_NODES, MAX_BYTES, MAX_DEPTH, MAX_DOCUMENTS, MAX_NODES
from .places import Data, Place, Placed, Source, place_at, position_at, position_inside

__all__ = [
    "Data",
    "Document",
    "MAX_ALIASED_NODES",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_DOCUMENTS",
    "MAX_NODES",
    "Place",
    "Placed",
    "Source",
    "place_at",
    "position_at",
    "position_inside",
    "read",
    "read_documents",
]
