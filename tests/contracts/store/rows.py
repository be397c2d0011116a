"""Rows for the store's suites: complete ones, so that a column that is forgotten shows."""

from __future__ import annotations

from control_plane.ports.records import (
    Actor,
    AgentRow,
    AgentState,
    ArtifactRow,
    ChildPlace,
    DocumentKind,
    DocumentRow,
    EntryRow,
    ExecutionRow,
    Host,
    OnLost,
    PlanRow,
    RunRow,
)
from workflow.identifiers import AgentName, Attempt, ExecutionId, Instant, RunId, StepRef
from workflow.journal import ChildKind
from workflow.labels import Target
from workflow.states import ExecutionState, Verdict


def a_run(ident: str = "r1", number: int = 1, **changes: object) -> RunRow:
    """A run with every field filled, changed as the test wants it."""
    values: dict[str, object] = {
        "id": RunId(ident),
        "name": f"cross-{number}",
        "number": number,
        "workflow": "cross",
        "actor": Actor("ada", "program"),
        "created_at": Instant(1_000 + number),
        "tags": {"commit": "abc", "ünicode": "☃"},
        "finished_at": Instant(5_000),
        "verdict": Verdict.FAILED,
    }
    return RunRow(**(values | changes))  # type: ignore[arg-type]


def an_execution(ident: str = "e1", run: str = "r1", **changes: object) -> ExecutionRow:
    """A root execution, changed as the test wants it."""
    values: dict[str, object] = {
        "id": ExecutionId(ident),
        "run": RunId(run),
        "name": ident,
        "workflow": "cross",
        "state": ExecutionState.QUEUED,
        "host": Host.AGENT,
        "created_at": Instant(2_000),
    }
    return ExecutionRow(**(values | changes))  # type: ignore[arg-type]


def a_full_execution(ident: str = "full", parent: str = "e1") -> ExecutionRow:
    """A child with every field away from its default."""
    return an_execution(
        ident,
        place=ChildPlace(ExecutionId(parent), StepRef("2.1"), 3, ChildKind.WORKER),
        target=Target({"env": ("dev", "prod")}, {"zone": ("x",)}, ("env",)),
        pinned=AgentName("pinned"),
        attempt=4,
        agent=AgentName("holder"),
        reason="waits for ☃ 'quotes' \"and\" \\ more",
        queued_at=Instant(10),
        assigned_at=Instant(11),
        started_at=Instant(12),
        finished_at=Instant(13),
        lease_until=Instant(2**62),
        group="deploys",
        group_max=2,
        cancel_in_progress=True,
        on_lost=OnLost.RETRY,
        stop=(ExecutionState.CANCELED, "ada asked"),
        paused=True,
        address="10.0.0.7",
        ready=True,
        description="shard 3",
        queue_deadline=Instant(14),
        applied_seq=99,
        refused_by={"a": "policy", "b": "no image"},
        depth=2,
        waits_at=StepRef("3"),
        resumed=True,
        notes=("Warning FailedScheduling: 0/1 nodes", "é\n"),
        log_incomplete=True,
    )


def a_plan(ident: str = "e1") -> PlanRow:
    """A plan with every field filled."""
    return PlanRow(
        ExecutionId(ident),
        b"\x00\xffplan",
        variables={"index": 1, "matrix": {"os": ["a", None, 1.5, True]}},
        transfers=(("sha256:aa", "/data"), ("sha256:bb", "/data/b")),
        annotations={"muster.dev/on-lost": "retry"},
        secrets=b"\x00sealed\xff",
    )


def an_entry(seq: int, ident: str = "e1", attempt: int = 1, **body: object) -> EntryRow:
    """A structural entry."""
    values = {"ref": "1", **body}
    return EntryRow(Attempt(ExecutionId(ident), attempt), seq, Instant(100 + seq), "step_started", values)  # type: ignore[arg-type]


def an_artifact(name: str, ident: str = "e1", attempt: int = 1, size: int = 7) -> ArtifactRow:
    """An artifact."""
    return ArtifactRow(ExecutionId(ident), attempt, StepRef("1.2"), name, size, "sha256:cc", Instant(77))


def a_document(name: str = "cross", kind: DocumentKind = DocumentKind.WORKFLOW, **labels: str) -> DocumentRow:
    """A workflow, or a template."""
    return DocumentRow(kind, name, f"name: {name}\n# ☃\n", f"{name}.yaml", labels, "digest", Instant(3))


def an_agent(name: str = "dev", **changes: object) -> AgentRow:
    """An agent with every field filled."""
    values: dict[str, object] = {
        "name": AgentName(name),
        "labels": {"environment": "dev"},
        "state": AgentState.ACTIVE,
        "created_at": Instant(1),
        "max_concurrent": 4,
        "token_hash": f"hash-of-{name}",
        "token_expires": Instant(2),
        "serials": ("aa", "bb"),
        "session": 3,
        "last_seen": Instant(4),
        "version": "1.0",
        "executor": "process",
        "skew": -5,
    }
    return AgentRow(**(values | changes))  # type: ignore[arg-type]
