"""``--config`` on a command line: a parameter's value as a word, or from a file or standard input.

Called by muster.cli.running and .offline. A value on the command line can be read by everybody on the machine (in
``ps``) and stays in the shell's history; so what is secret comes from ``@FILE`` or ``@-``.
"""

from __future__ import annotations

from collections.abc import Sequence

from muster.cli.documents import STDIN, content_of, text
from muster.cli.outcome import Usage
from muster.cli.words import pairs
from workflow.problems import InvalidDocument, Problem


def parameters(said: Sequence[str], *, stdin_taken: bool) -> dict[str, str]:
    """The parameters of ``K=V``, ``K=@FILE``, ``K=@-``; ``K=@@V`` is a value that begins with ``@``.

    Of a file's text one line break at its end is dropped. ``stdin_taken``: standard input is the document already.
    Usage; InvalidDocument where a file cannot be read.
    """
    found = pairs(said, "--config")
    if list(found.values()).count("@-") > (0 if stdin_taken else 1):
        raise Usage("standard input can be read once only: @- stands for it, and so does - for the document")
    return {name: _value(value) for name, value in found.items()}


def _value(value: str) -> str:
    if not value.startswith("@"):
        return value
    source = value[1:]
    if source.startswith("@"):
        return source
    if not source:
        raise Usage("--config takes K=@FILE or K=@- after a @; @@ is a value that begins with one")
    content = text(content_of(source), STDIN if source == "-" else source)
    if isinstance(content, Problem):
        raise InvalidDocument([content])
    return content.removesuffix("\n").removesuffix("\r")
