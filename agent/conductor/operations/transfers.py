"""Files that travel between a parent and its children: packed, offered, fetched, unpacked.

Called by the table of operations and by the host, before the first step and when children are counted out.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.conductor.stage import Stage


async def receive(stage: Stage, transfers: Sequence[tuple[str, str]]) -> None:
    """Fetch and unpack (digest, directory) each. Raises ``Failure``, OSError."""
