"""Nothing that a step prints reaches a terminal as a command, wherever its bytes are cut."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.terminal import Neutraliser, neutralised, one_line


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("plain äöü 漢字 🎉\tand\n", "plain äöü 漢字 🎉\tand\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;cm0gLXJm\x07", ""),
        ("\x1bP1$r\x1b\\x", "x"),
        ("\x1b[2J\x1b[H\x1b[6nx", "x"),
        ("\x1b(Bx\x1bcx", "xx"),
        ("real\rfake\n", "real\nfake\n"),
        ("dos\r\nline", "dos\nline"),
        ("a\x08b\x07", "a␈b␇"),
        ("\x9b31m", "\ufffd31m"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("\x7f\x00", "␡␀"),
        ("\x1b]no end\nnext", "\nnext"),
        ("\x1b]no end", "␛]no end"),
        ("\x1b\x1b[0m[31mx", "␛[31mx"),
        ("line\u2028forged", "line\nforged"),
    ],
)
def test_what_is_shown(given_text: str, shown: str) -> None:
    assert neutralised(given_text) == shown


_PIECES = st.sampled_from(
    ["\x1b", "[", "]", "P", "\\", "31", "m", "\x07", "\r", "\n", "\x9c", "(", "B", "x", "ä", "\u202e", "0;t"]
)
_TEXTS = st.lists(_PIECES, max_size=40).map("".join)


@given(text=_TEXTS, cuts=st.lists(st.integers(0, 60), max_size=6))
@settings(max_examples=400)
def test_cut_anywhere_it_is_the_same(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    stream = Neutraliser()
    pieces = [stream.feed(text[a:b]) for a, b in pairwise(places)]
    assert "".join(pieces) + stream.flush() == neutralised(text)


@given(text=st.text(max_size=60))
def test_nothing_that_controls_is_left(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", neutralised("\x1b" + text))


def test_an_endless_string_is_not_held_for_ever() -> None:
    stream = Neutraliser()
    shown = stream.feed("\x1b]") + "".join(stream.feed("a" * 100) for _ in range(100))
    assert len(shown) > 5000


def test_many_beginnings_take_linear_time() -> None:
    assert neutralised("\x1b]" * 200_000).startswith("␛]")


def test_names_stay_on_one_line() -> None:
    assert one_line("a\nFAKE\x1b[1m  b\r\n") == "a FAKE b"
    assert one_line("x" * 300, 10) == "x" * 9 + "…"
