"""What can go wrong between a person and their cluster: a sentence, what to do, and the exit code it deserves."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
"""Exit code: everything was put there, and the agent did not come."""
INVALID: Final = 2
"""Exit code: the words do not fit, or the person may not."""
BROKEN: Final = 3
"""Exit code: the cluster cannot be reached, or did not do it."""


class InstallProblem(Exception):
    """``sentence`` (also its text) says what happened, ``hint`` what to do."""

    def __init__(self, sentence: str, hint: str = "", code: int = BROKEN) -> None:
        super().__init__(sentence)
        self.sentence, self.hint, self.code = sentence, hint, code
