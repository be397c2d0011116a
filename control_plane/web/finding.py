"""From the text that a person gave to the thing meant; NotFound in a sentence where there is none. Used by the
endpoints."""

from __future__ import annotations

from control_plane.services.queries import Queries
from control_plane.web.refusals import NotFound
from workflow.views import ExecutionView, RunView


async def the_run(queries: Queries, text: str) -> RunView:
    """The run of this id or name, with its executions."""
    run = await queries.run(text)
    if run is None:
        raise NotFound(f"there is no run {text[:80]!r}", "list them: muster get runs")
    return run


async def the_execution(queries: Queries, text: str) -> ExecutionView:
    """The execution of this id or name."""
    execution = await queries.execution(text)
    if execution is None:
        raise NotFound(f"there is no execution {text[:80]!r}", "a run shows those that it has: muster get runs NAME")
    return execution


async def the_subject(queries: Queries, text: str) -> RunView | ExecutionView:
    """The run of this id or name, else the execution of this id or name. An execution that a person started is called
    like its run, and means the run."""
    subject: RunView | ExecutionView | None = await queries.run(text)
    subject = subject or await queries.execution(text)
    if subject is None:
        raise NotFound(f"there is no run and no execution {text[:80]!r}", "list them: muster get runs")
    return subject
