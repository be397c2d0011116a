"""An operation that cannot be done. A module of its own, since the gates of pods raise it before the rest is loaded."""

from __future__ import annotations


class Failure(Exception):
    """The operation cannot be done: a failed step, told in a sentence for the user."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
