"""What a step prints, gathered and masked into the journal's chunks.

Called by the runners and by the host for Muster's own words. The first bytes after a silence go out at once, so that
a person watching sees them; a busy step's are gathered for up to 100 ms or 256 KiB. It must not know what a step is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agent.conductor.allowance import Allowance, Share, amount
from agent.conductor.clock import now
from agent.conductor.journal import Journal
from workflow.identifiers import Instant, StepRef
from workflow.journal import MAX_CHUNK, Output, Stream
from workflow.masking import Masker

GATHER = 0.1
"""Seconds for which a busy step's output is gathered."""
AT_ONCE = 0.002
"""Seconds that the first bytes after a silence wait for their neighbours."""

Tokens = Callable[[], tuple[str, ...]]
"""Secrets that come while a step runs; the same tuple for as long as there is none more."""


def no_tokens() -> tuple[str, ...]:
    """None ever."""
    return ()


@dataclass(slots=True)
class _Chunk:
    stream: Stream
    at: Instant
    data: bytearray = field(default_factory=bytearray)


class Printed:
    """The output of one run of one step."""

    def __init__(
        self,
        journal: Journal,
        ref: StepRef,
        secrets: Iterable[str],
        share: Share | None = None,
        tokens: Tokens = no_tokens,
    ) -> None:
        self._secrets = tuple(secrets)
        self._tokens, self._known = tokens, tokens()
        self._journal = journal
        self._share = share or Allowance().share()
        self._dropped = 0
        self._ref = ref
        self._maskers = self._masking()
        self._chunks: list[_Chunk] = []
        self._size = 0
        self._flushed = 0.0
        self.due: float | None = None
        """When what was gathered should be written, by the monotonic clock."""

    def add(self, stream: Stream, data: bytes) -> None:
        """Take what was printed."""
        self._put(stream, data)

    @property
    def full(self) -> bool:
        """Whether enough was gathered for a chunk."""
        return self._size >= MAX_CHUNK

    async def flush(self) -> None:
        """Write what was gathered; waits while the journal has no room."""
        chunks, self._chunks, self._size, self.due = self._chunks, [], 0, None
        self._flushed = time.monotonic()
        if self._tokens() is not self._known:
            await self._mask_more()
        for chunk in chunks:
            await self._write(chunk.at, chunk.stream, self._maskers[chunk.stream].feed(bytes(chunk.data)))

    async def finish(self) -> int:
        """Nothing more is printed: write the rest. How many bytes of all were not kept."""
        await self.flush()
        for stream, masker in self._maskers.items():
            await self._write(now(), stream, masker.flush())
        if self._dropped:
            await self._tell(now(), f"{self._dropped} bytes that this step printed were not kept")
        return self._dropped

    async def say(self, words: str) -> None:
        """One line of Muster's own, at once."""
        self.add(Stream.SYSTEM, words.encode() + b"\n")
        await self.flush()

    def _masking(self) -> dict[Stream, Masker]:
        return {stream: Masker((*self._secrets, *self._known)) for stream in Stream}

    async def _mask_more(self) -> None:
        """Another secret has come: it cannot have been printed before now."""
        before, self._known = self._maskers, self._tokens()
        for stream, masker in before.items():
            await self._write(now(), stream, masker.flush())
        self._maskers = self._masking()

    async def _write(self, at: Instant, stream: Stream, shown: bytes) -> None:
        kept = len(shown) if stream is Stream.SYSTEM else self._share.grant(len(shown))
        await self._append(at, stream, shown[:kept])
        if kept < len(shown):
            await self._drop(at, len(shown) - kept)

    async def _drop(self, at: Instant, size: int) -> None:
        """Count it; where in its log that began is told."""
        if not self._dropped:
            words = (
                f"this step has printed {amount(self._share.limit or 0)}, which is all that is kept of it (log_limit)"
            )
            await self._tell(at, f"{words}: what it prints from here on is dropped")
        self._dropped += size

    async def _tell(self, at: Instant, words: str) -> None:
        await self._append(at, Stream.SYSTEM, words.encode() + b"\n")

    async def _append(self, at: Instant, stream: Stream, shown: bytes) -> None:
        for start in range(0, len(shown), MAX_CHUNK):
            await self._journal.room()
            await self._journal.write(Output(at, self._ref, stream, shown[start : start + MAX_CHUNK]))

    def _put(self, stream: Stream, printed: bytes) -> None:
        if not self._chunks or self._chunks[-1].stream is not stream:
            self._chunks.append(_Chunk(stream, now()))
        self._chunks[-1].data += printed
        self._size += len(printed)
        if self.due is None:
            moment = time.monotonic()
            self.due = max(moment + AT_ONCE, self._flushed + GATHER)
