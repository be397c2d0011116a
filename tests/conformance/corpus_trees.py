"""The suites of a corpus, run as trees: documents that only execute others, their leaves stubbed.

Called by tests.conformance.corpus. A leaf is a workflow that is no suite, or one that nobody has; its stub
bears the same name, labels, parameters and target, and one step. Suites that suites execute stay as they are. What ran
must be exactly the tree that was forecast: the same executions below the same parents, each on an agent that the
forecast named. Every suite runs once more with stubs that fail, and must fail.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from muster.client import ClientError, Muster
from muster.local import LocalState, LocalSystem
from tests.conformance.corpus_runs import AT_ONCE, WITHIN, ended, fleet
from tests.conformance.rows import Row, parsed
from workflow.forecast import Execution, Where, forecast
from workflow.labels import agent_labels
from workflow.model import API_VERSION, Kind, Workflow, parse_documents
from workflow.plan.build import build
from workflow.plan.nodes import Json, Plan
from workflow.problems import InvalidDocument
from workflow.resolve import resolve
from workflow.states import Verdict
from workflow.views import ExecutionView, NewRun, RunView

Branch: TypeAlias = tuple[str, ...]
"""The names of the workflows from a suite down to an execution."""


def is_suite(row: Row) -> bool:
    """Whether the row is a document that executes others and does nothing else."""
    return row.group == "plan" and row.tier.startswith("b-suite")


@dataclass(frozen=True, slots=True)
class Library:
    """What a suite may execute: suites as they are, and a stub for everything else."""

    suites: Mapping[str, Workflow]
    leaves: Mapping[str, Workflow]
    stubs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The stubs that were asked for, as data, by name."""

    def plan(self, workflow: str, config: Mapping[str, Json]) -> Plan:
        """The plan of a suite or of a stub."""
        if workflow in self.suites:
            return build(resolve(self.suites[workflow], {}, {}))
        stub = self.stubs.setdefault(workflow, _stub(workflow, self.leaves.get(workflow)))
        return build(resolve(parse_documents(json.dumps(stub), workflow).workflows[0], {}, {}))

    def select(self, labels: Mapping[str, str]) -> Sequence[str]:
        """The documents with these labels, stubs or suites."""
        known = {**self.leaves, **self.suites}
        return sorted(name for name, each in known.items() if labels.items() <= each.labels.items())

    def documents(self, script: str) -> Iterator[str]:
        """Every suite and every stub as a text; the stubs do ``script``."""
        for suite in self.suites.values():
            yield json.dumps(suite.dump())
        for stub in self.stubs.values():
            yield json.dumps({**stub, "spec": {**stub["spec"], "steps": [{"shell": script}]}})


def _stub(name: str, leaf: Workflow | None) -> dict[str, Any]:
    written = leaf.dump() if leaf is not None else {}
    spec = written.get("spec", {})
    kept = {key: spec[key] for key in ("config", "execution") if key in spec}
    metadata = {"name": name, "labels": written.get("metadata", {}).get("labels", {})}
    return {
        "apiVersion": API_VERSION,
        "kind": Kind.WORKFLOW.value,
        "metadata": metadata,
        "spec": {**kept, "steps": [{"shell": "true"}]},
    }


async def run_trees(rows: Sequence[Row], documents: Sequence[Row]) -> dict[Row, str]:
    """What disagrees about each suite, in words, empty where nothing does. ``documents`` are all of the corpus."""
    suites = {row: parsed(row).workflows[0] for row in rows}
    library = Library({suite.name: suite for suite in suites.values()}, _leaves(documents))
    agents = fleet(documents)
    labels = {each.name: agent_labels(each.labels, id=each.name, name=each.name) for each in agents}
    ahead = {row: branches(forecast(build(resolve(suite, {}, {})), library, labels)) for row, suite in suites.items()}
    with tempfile.TemporaryDirectory(prefix="muster-trees-") as folder:
        system = await LocalSystem.start(LocalState(Path(folder)), agents)
        try:
            async with Muster(system.endpoint.url, system.endpoint.token) as client:
                found = dict.fromkeys(rows, "")
                for script, verdict in (("true", Verdict.PASSED), ("exit 1", Verdict.FAILED)):
                    for document in library.documents(script):
                        await client.apply(document, "stub.json")
                    gate = asyncio.Semaphore(AT_ONCE)
                    judged = (_judged(client, row, ahead[row], verdict, gate) for row in rows)
                    said = await asyncio.gather(*judged)
                    found = {row: found[row] or each for row, each in zip(rows, said, strict=True)}
        finally:
            await system.stop()
    return found


def _leaves(documents: Sequence[Row]) -> dict[str, Workflow]:
    found: dict[str, Workflow] = {}
    for row in documents:
        if row.group == "invalid" or is_suite(row):
            continue
        try:
            found |= {workflow.name: workflow for workflow in parsed(row).workflows}
        except InvalidDocument:
            continue  # another judge says so
    return found


async def _judged(
    client: Muster, row: Row, ahead: Mapping[Branch, Ahead], verdict: Verdict, gate: asyncio.Semaphore
) -> str:
    async with gate:
        try:
            async with asyncio.timeout(WITHIN):
                new = NewRun(document=row.path.read_text(), file=row.path.name)
                run = await client.run((await ended(client, await client.submit(new))).id)
        except TimeoutError:
            return f"its tree was not over within {WITHIN:.0f} s"
        except ClientError as error:
            return f"its tree was not run: {error}"
    if run.verdict is not verdict:
        told = " ".join((await client.why(run.id)).sentences)
        return f"its tree ended as {run.verdict}, not {verdict}: {told}"
    return differences(ahead, run)


# --- the tree that was forecast, and the one that ran -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ahead:
    """A branch that was forecast: how often, where it may run, and whether a condition may leave it out."""

    count: int
    where: Where
    conditional: bool


def branches(execution: Execution, above: Branch = (), conditional: bool = False) -> dict[Branch, Ahead]:
    """Every branch of the tree. Copies of an executed workflow stand below one of its name that holds them together."""
    here, copies = (*above, execution.workflow), len(execution.where.copies)
    if copies and above:
        found = {
            here: Ahead(1, Where("the control plane itself"), conditional),
            (*here, execution.workflow): Ahead(copies, execution.where, conditional),
        }
    else:
        found = {here: Ahead(max(1, copies), execution.where, conditional)}
    for step in execution.steps:
        for child in step.children:
            assert child.execution is not None, child.note
            below = branches(child.execution, here, conditional or step.condition not in ("passed", "true"))
            for branch, each in below.items():
                found[branch] = replace(each, count=each.count + (found[branch].count if branch in found else 0))
    return found


def differences(ahead: Mapping[Branch, Ahead], run: RunView) -> str:
    """What ran otherwise than it was forecast, in words."""
    by_id = {each.id: each for each in run.executions}
    ran: Counter[Branch] = Counter()
    for each in run.executions:
        branch = _branch(each, by_id)
        ran[branch] += 1
        agents = ahead[branch].where.agents if branch in ahead else None
        if branch in ahead and each.agent is not None and each.agent not in (agents or ()):
            return f"{'/'.join(branch)} ran on {each.agent}, not on {', '.join(agents or ['the control plane'])}"
    most = Counter({branch: each.count for branch, each in ahead.items()})
    least = Counter({branch: each.count for branch, each in ahead.items() if not each.conditional})
    missing = ["/".join(branch) for branch in (least - ran).elements()]
    more = ["/".join(branch) for branch in (ran - most).elements()]
    said = (f"did not run: {', '.join(missing)}" if missing else "", f"ran besides: {', '.join(more)}" if more else "")
    return "; ".join(filter(None, said))


def _branch(execution: ExecutionView, by_id: Mapping[str, ExecutionView]) -> Branch:
    above = _branch(by_id[execution.place.parent], by_id) if execution.place is not None else ()
    return (*above, execution.workflow)
