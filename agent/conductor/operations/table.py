"""Which function does which operation. Called by the host; the one place that names them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from agent.conductor.operations.artifacts import save_artifacts
from agent.conductor.operations.clone import clone
from agent.conductor.operations.files import fetch_tarball, write_files
from agent.conductor.operations.process import run_process
from agent.conductor.operations.transfers import offer_files
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
        case WriteFiles():
            await write_files(stage, operation)
        case Clone():
            await clone(stage, operation)
        case FetchTarball():
            await fetch_tarball(stage, operation)
        case SaveArtifacts():
            await save_artifacts(stage, operation)
        case OfferFiles():
            await offer_files(stage, operation)
        case Delay() | Execute() | Parallel() | StartServices() | StopServices():
            raise Failure(f"{type(operation).__name__} is no work for a conductor")
        case _:
            assert_never(operation)
    return Done(), {}
