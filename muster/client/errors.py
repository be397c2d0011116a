"""What can go wrong between a person and the control plane: a sentence, what to do, and the exit code it deserves.

Raised by muster.client; shown by muster.cli. Nothing here is a traceback's matter.
"""

from __future__ import annotations

from collections.abc import Sequence

from workflow.views import ProblemView

INVALID = 2
"""Exit code: the input or the usage is wrong."""
BROKEN = 3
"""Exit code: the system could not do it."""


class ClientError(Exception):
    """``sentence`` (also its text) says what happened, ``hint`` what to do, ``exit_code`` how a command ends."""

    def __init__(self, sentence: str, hint: str = "", exit_code: int = BROKEN, status: int = 0) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        self.exit_code = exit_code
        self.status = status  # HTTP; 0 where no answer came


class InvalidInput(ClientError):
    """The document was refused. ``problems`` holds all that is wrong with it, warnings too."""

    def __init__(self, sentence: str, problems: Sequence[ProblemView], status: int = 422) -> None:
        super().__init__(sentence, exit_code=INVALID, status=status)
        self.problems = tuple(problems)


class NotThere(ClientError):
    """There is no such run, execution, agent, document or artifact."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence, hint, INVALID, 404)


class Unreachable(ClientError):
    """No control plane answers; or it went away and did not come back in time."""
