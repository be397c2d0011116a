"""Which function does which operation. Called by the host; the one place that names them all.

What only some plans need is loaded when it is needed: a conductor in a pod is waited for while it starts. Where many
conductors are forked, ``warm`` has loaded it before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from agent.conductor.failure import Failure
from agent.conductor.operations.process import run_process
from agent.conductor.stage import Stage
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
        case WriteFiles():
            from agent.conductor.operations.files import write_files

            await write_files(stage, operation)
        case Clone():
            from agent.conductor.operations.clone import clone

            await clone(stage, operation)
        case FetchTarball():
            from agent.conductor.operations.files import fetch_tarball

            await fetch_tarball(stage, operation)
        case SaveArtifacts():
            from agent.conductor.operations.artifacts import save_artifacts

            await save_artifacts(stage, operation)
        case OfferFiles():
            from agent.conductor.operations.transfers import offer_files

            await offer_files(stage, operation)
        case Delay() | Execute() | Parallel() | StartServices() | StopServices():
            raise Failure(f"{type(operation).__name__} is no work for a conductor")
        case _:
            assert_never(operation)
    return Done(), {}
