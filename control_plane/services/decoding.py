"""Text made of output that is cut anywhere: UTF-8 joined over chunks, what is none replaced.

Called by services.watching and control_plane.web. A place to go on says what a character lacks that was cut there, so
that whoever resumes at any place reads exactly what follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from control_plane.ports.journals import Position
from control_plane.services.logs import START, Chunk
from workflow.identifiers import StepRef
from workflow.journal import Stream
from workflow.views import LogView, exact

MAX_TOKEN: Final = 4096
"""Characters of a place's token at the most."""

_TOKEN: Final = re.compile(r"(\d{1,9})\.(\d{1,15})((?:~[\d.]{1,220}[oes][0-9a-f]{2,6})*)")
_CUT: Final = re.compile(r"~([\d.]+)([oes])([0-9a-f]+)")
_LETTERS: Final = {Stream.STDOUT: "o", Stream.STDERR: "e", Stream.SYSTEM: "s"}
_STREAMS: Final = {letter: stream for stream, letter in _LETTERS.items()}


class BadPlace(ValueError):
    """A text that was to say where to go on does not."""


class Place:
    """How far the text of one execution was told: the position, and the bytes of characters that were cut there."""

    def __init__(self, token: str = "") -> None:
        self.position = START
        self._cut: dict[tuple[StepRef, Stream], bytes] = {}
        if token:
            self._read(token)

    def __str__(self) -> str:
        cut = "".join(f"~{ref}{_LETTERS[stream]}{data.hex()}" for (ref, stream), data in self._cut.items())
        return f"{self.position}{cut}"

    def texts(self, chunks: Iterable[Chunk]) -> Iterator[LogView]:
        """The chunks as text; a chunk that holds only the beginning of a character yields nothing yet."""
        for chunk in chunks:
            if chunk.position.attempt != self.position.attempt:
                self._cut.clear()  # what was cut in an attempt that is over stays so
            text = self._text(chunk)
            self.position = chunk.position
            if text:
                yield LogView.model_construct(
                    execution=chunk.execution,
                    position=str(self),
                    ref=chunk.ref,
                    stream=chunk.stream,
                    at=exact(chunk.at),
                    text=text,
                )

    def _text(self, chunk: Chunk) -> str:
        if chunk.last:
            return "".join(self._cut.pop((chunk.ref, stream), b"").decode("utf-8", "replace") for stream in Stream)
        data = self._cut.pop((chunk.ref, chunk.stream), b"") + chunk.data
        cut = _cut_at_end(data)
        if cut:
            self._cut[chunk.ref, chunk.stream] = data[-cut:]
            data = data[:-cut]
        return data.decode("utf-8", "replace")

    def _read(self, token: str) -> None:
        found = _TOKEN.fullmatch(token) if len(token) <= MAX_TOKEN else None
        if found is None:
            raise BadPlace(
                f"{token[:80]!r} is no place in a log: it must be ATTEMPT.NUMBER, as a log line's position says"
            )
        self.position = Position(int(found[1]), int(found[2]))
        for ref, letter, data in _CUT.findall(found[3]):
            if len(data) % 2 == 0:
                self._cut[StepRef(ref), _STREAMS[letter]] = bytes.fromhex(data)


def _cut_at_end(data: bytes) -> int:
    """How many bytes at the end begin a character that is not complete: 0 to 3."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if byte < 0xF8 and back < length else 0
        if byte < 0x80:
            return 0
    return 0
