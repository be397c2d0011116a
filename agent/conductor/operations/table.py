"""Which function does which operation. Called by the host; the one place that names them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from agent.conductor.operations.process import run_process
from agent.conductor.stage import Failure, Stage
from workflow.execution.events import Done, Outcome
from workflow.plan.nodes import (
    Clone,
    Delay,
    Execute,
    FetchTarball,
    OfferFiles,
    Operation,
    Parallel,
    Run,
    SaveArtifacts,
    StartServices,
    StopServices,
    WriteFiles,
)


async def perform(stage: Stage, operation: Operation) -> tuple[Outcome, Mapping[str, str]]:
    """Do it: how it ended, and the step's outputs. Raises ``Failure``, ExpressionError, OSError."""
    match operation:
        case Run():
            return await run_process(stage, operation)
        case WriteFiles() | Clone() | FetchTarball() | SaveArtifacts() | OfferFiles():
            raise Failure("not yet")
        case Delay() | Execute() | Parallel() | StartServices() | StopServices():
            raise Failure(f"{type(operation).__name__} is no work for a conductor")
        case _:
            assert_never(operation)
    return Done(), {}
