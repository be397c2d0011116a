"""The groups that are open, from the whole execution down to the group of the present step.

Used inside workflow.execution alone. Steps run strictly one after the other, so the open groups form a stack.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workflow.identifiers import StepRef
from workflow.plan.nodes import OfferFiles, SaveArtifacts, Step, StopServices
from workflow.states import StepStatus


@dataclass(slots=True)
class Frame:
    """One open group. ``step`` is None for the execution itself.

    ``inherited`` tells whether all was well when it started, ``good`` is the AND of its finished non-optional
    children. ``blame`` says in words which child was the first to spoil it; where that was a hidden one, the user's
    own operation, ``told`` is its reason and exit code, to be told as the group's. ``expired`` is set when the
    time-out of it or of a group around it was hit.
    """

    step: Step | None
    steps: tuple[Step, ...]
    owner: str = ""  # id of the user's step that hidden children act for
    inherited: bool = True
    good: bool = True
    next: int = 0
    expired: bool = False
    blame: str = ""
    told: tuple[str, int | None] = ("", None)
    services: list[StepRef] = field(default_factory=list)

    @property
    def status(self) -> StepStatus:
        """What ``status`` is for the step that comes next."""
        return StepStatus.PASSED if self.inherited and self.good else StepStatus.FAILED

    def count(self, step: Step, status: StepStatus, blame: str, told: tuple[str, int | None] = ("", None)) -> None:
        """A child ended; ``blame`` is what to say of it when it spoiled the group."""
        if step.optional or status.good:
            return
        if self.good and step.hidden:
            self.told = told
        self.good = False
        self.blame = self.blame or blame


def tidies_up(step: Step) -> bool:
    """Whether the step belongs to the end of its group and saves or frees what the group made.

    Such steps run even when the group's time-out was hit: artifacts of a test that hangs are those that people need.
    """
    return step.hidden and isinstance(step.body, SaveArtifacts | StopServices | OfferFiles)
