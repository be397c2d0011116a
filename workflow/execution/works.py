"""Which kind of work an operation is. Used by course; the one place that names all kinds."""

from __future__ import annotations

from typing import assert_never

from workflow.execution.crowd import Crowd
from workflow.execution.operations import Hosted, Waiting
from workflow.execution.services import Starting, Stopping
from workflow.execution.work import Call, Tools, Work
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


def work_for(operation: Operation, tools: Tools, call: Call) -> Work:
    """A fresh attempt of ``operation``, not begun."""
    match operation:
        case Run() | WriteFiles() | Clone() | FetchTarball() | SaveArtifacts() | OfferFiles():
            return Hosted(tools, call, operation)
        case Delay():
            return Waiting(tools, call, operation)
        case Execute() | Parallel():
            return Crowd(tools, call, operation)
        case StartServices():
            return Starting(tools, call, operation)
        case StopServices():
            return Stopping(tools, call, operation)
        case _:
            assert_never(operation)
