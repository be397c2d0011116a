"""Children in the journal: what a step wants, what became of it, files that travel. Called by protos.codec.journal."""

from __future__ import annotations

from protos.codec import checks
from protos.muster.v1 import execution_pb2 as wire
from workflow.identifiers import ExecutionId, execution_id, step_ref
from workflow.journal import ChildChanged, ChildKind, ChildSpec
from workflow.states import ExecutionState


def encode_transfers(transfers: tuple[tuple[str, str], ...]) -> list[wire.Transfer]:
    """(digest, path) pairs as messages."""
    return [wire.Transfer(digest=digest, path=path) for digest, path in transfers]


def encode_spec(child: ChildSpec) -> wire.ChildSpec:
    return wire.ChildSpec(
        kind=child.kind,
        index=child.index,
        item=child.item,
        workflow=child.workflow,
        selector=child.selector,
        config_json=checks.to_json("a child's config", child.config),
        variables_json=checks.to_json("a child's variables", child.variables),
        description=checks.sentence(child.description),
        transfers=encode_transfers(child.transfers),
        references=child.references,
    )


def decode_spec(message: wire.ChildSpec) -> ChildSpec:
    return ChildSpec(
        kind=checks.choice(ChildKind, message.kind),
        index=message.index,
        item=message.item,
        workflow=checks.text("a workflow's name", message.workflow),
        selector=checks.texts("a selector's labels", message.selector),
        config=checks.from_json("a child's config", message.config_json),
        variables=checks.from_json("a child's variables", message.variables_json),
        description=checks.text("a description", message.description),
        transfers=checks.pairs(message.transfers),
        references=checks.texts("a child's references", message.references),
    )


def encode_changed(child: ChildChanged) -> wire.ChildChanged:
    return wire.ChildChanged(
        ref=child.ref,
        index=child.index,
        execution=child.execution,
        state=child.state,
        ready=child.ready,
        address=child.address,
        description=checks.sentence(child.description),
        reason=checks.sentence(child.reason),
        fetched=encode_transfers(child.fetched),
    )


def decode_changed(message: wire.ChildChanged) -> ChildChanged:
    """A child that never became an execution (nothing matched) has an empty id."""
    return ChildChanged(
        ref=checks.identifier(step_ref, message.ref),
        index=message.index,
        execution=checks.identifier(execution_id, message.execution) if message.execution else ExecutionId(""),
        state=checks.choice(ExecutionState, message.state),
        ready=message.ready,
        address=checks.address(message.address),
        description=checks.text("a description", message.description),
        reason=checks.text("a reason", message.reason),
        fetched=checks.pairs(message.fetched),
    )
