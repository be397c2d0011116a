"""Text from steps made harmless to show: no escape sequence, no control character, nothing that hides or reorders text.

Called by muster.cli, the dashboard and explanations before anything that a step printed or named is shown. Escape
sequences (colours, titles, links, clipboard, cursor moves, terminal queries) are left out, up to 4096 characters each;
other control characters become visible signs; a carriage return, which would overwrite the line, becomes a line break.
"""

from __future__ import annotations

import re
from typing import Final

_SPECIAL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")

_SEQUENCE: Final = re.compile(
    "\x1b\\[[0-?]{0,256}[ -/]{0,16}[@-~]"  # CSI: colours, cursor, modes
    "|\x1b[\\]PX^_][^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\\\|\x9c|(?=\n))"  # OSC, DCS, SOS, PM, APC with their strings
    "|\x1b[ -/]{0,16}[0-OQ-WYZ\\\\`-~]"  # the short ones
)
_UNFINISHED: Final = re.compile(
    "\x1b(?:[ -/]{0,16}|\\[[0-?]{0,256}[ -/]{0,16}|[\\]PX^_][^\x07\x1b\x9c\n]{0,4096}\x1b?)\\Z"
)

_SHOWN: Final = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF), "\ufffd"),
    0x7F: "\u2421",
    0x2028: "\n",
    0x2029: "\n",
    ord("\n"): "\n",
    ord("\t"): "\t",
    ord("\r"): "\n",
}


class Neutraliser:
    """For text that comes in pieces, cut anywhere. The pieces' results together are the result of the whole."""

    def __init__(self) -> None:
        self._held = ""  # the beginning of a sequence, at most a little over 4096 characters
        self._returned = False  # the last character was a carriage return: a line feed may follow

    def feed(self, text: str) -> str:
        """What can be shown now."""
        text, self._held = self._held + text, ""
        if not self._returned and not _SPECIAL.search(text):
            return text
        unfinished = _UNFINISHED.search(text)
        if unfinished:
            text, self._held = text[: unfinished.start()], text[unfinished.start() :]
        text = "\r" * self._returned + _SEQUENCE.sub("", text)
        self._returned = text.endswith("\r")
        return _visible(text.removesuffix("\r"))

    def flush(self) -> str:
        """What is held back, at the end."""
        text, self._held = "\r" * self._returned + _SEQUENCE.sub("", self._held), ""
        self._returned = False
        return _visible(text)


def neutralised(text: str) -> str:
    """A whole text made harmless; it may still have several lines."""
    return _visible(_SEQUENCE.sub("", text)) if _SPECIAL.search(text) else text


def one_line(text: str, limit: int = 200) -> str:
    """A name or a message made harmless and put on one line of at most ``limit`` characters."""
    line = " ".join(neutralised(text[: limit * 8]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _visible(text: str) -> str:
    return text.replace("\r\n", "\n").translate(_SHOWN)
