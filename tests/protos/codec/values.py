"""Hypothesis strategies for everything that travels. Used by the tests of the codecs and of the frames."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from workflow.identifiers import Attempt, ExecutionId, Instant, StepRef
from workflow.journal import (
    ArtifactStored,
    AttemptFinished,
    AttemptStarted,
    ChildChanged,
    ChildKind,
    ChildrenDropped,
    ChildrenResumed,
    ChildrenWanted,
    ChildSpec,
    Directive,
    Entry,
    Output,
    Pause,
    Record,
    Resume,
    StepFinished,
    StepOutput,
    StepPaused,
    StepResumed,
    StepStarted,
    Stop,
    Stream,
    TransferStored,
)
from workflow.plan.nodes import Json
from workflow.session import Bundle
from workflow.states import FINAL, ExecutionState, StepStatus

executions = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?", fullmatch=True).map(ExecutionId)
attempts = st.builds(Attempt, executions, st.integers(1, 2**32 - 1))
refs = st.from_regex(r"[1-9][0-9]{0,3}(\.[1-9][0-9]{0,3}){0,4}", fullmatch=True).map(StepRef)
instants = st.integers(-(2**63), 2**63 - 1).map(Instant)
words = st.text(max_size=40)
counts = st.integers(0, 2**63 - 1)
numbers = st.integers(0, 2**32 - 1)
digests = st.binary(min_size=32, max_size=32).map(lambda raw: f"sha256:{raw.hex()}")
paths = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=40)
file_names = st.lists(
    st.text(
        st.characters(exclude_characters="/\\", codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=9
    ).filter(lambda part: part not in {".", ".."}),
    min_size=1,
    max_size=5,
).map("/".join)
transfers = st.lists(st.tuples(digests, paths), max_size=3).map(tuple)
labels = st.dictionaries(words, words, max_size=3)
addresses = st.sampled_from(["", "10.0.0.7", "[fe80::1]:80", "svc-0.test"])

json: SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(words, json, max_size=3)

specs = st.builds(
    ChildSpec,
    kind=st.sampled_from(ChildKind),
    index=numbers,
    item=numbers,
    workflow=words,
    selector=labels,
    config=objects,
    variables=objects,
    description=words,
    transfers=transfers,
    references=labels,
)
indices = st.lists(numbers, max_size=5).map(tuple)

ENTRIES: dict[type, SearchStrategy[Entry]] = {
    AttemptStarted: st.builds(AttemptStarted, instants, words, words),
    StepStarted: st.builds(StepStarted, instants, refs, numbers),
    Output: st.builds(Output, instants, refs, st.sampled_from(Stream), st.binary(max_size=300)),
    StepPaused: st.builds(StepPaused, instants, refs),
    StepResumed: st.builds(StepResumed, instants, refs),
    StepFinished: st.builds(
        StepFinished,
        instants,
        refs,
        st.sampled_from([status for status in StepStatus if status.final]),
        st.none() | st.integers(-(2**31), 2**31 - 1),
        words,
    ),
    StepOutput: st.builds(StepOutput, instants, refs, words, words),
    ArtifactStored: st.builds(ArtifactStored, instants, refs, file_names, counts, digests),
    TransferStored: st.builds(TransferStored, instants, refs, digests, paths),
    ChildrenWanted: st.builds(ChildrenWanted, instants, refs, st.lists(specs, max_size=3).map(tuple)),
    ChildrenDropped: st.builds(ChildrenDropped, instants, refs, indices, words, st.booleans()),
    ChildrenResumed: st.builds(ChildrenResumed, instants, refs, indices),
    AttemptFinished: st.builds(AttemptFinished, instants, st.sampled_from(sorted(FINAL)), words),
}
entries = st.one_of(*ENTRIES.values())
records = st.builds(Record, st.integers(1, 2**64 - 1), entries)

DIRECTIVES: dict[type, SearchStrategy[Directive]] = {
    ChildChanged: st.builds(
        ChildChanged,
        ref=refs,
        index=numbers,
        execution=executions | st.just(ExecutionId("")),
        state=st.sampled_from(ExecutionState),
        ready=st.booleans(),
        address=addresses,
        description=words,
        reason=words,
        fetched=transfers,
    ),
    Stop: st.builds(Stop, st.sampled_from([ExecutionState.CANCELED, ExecutionState.ABORTED]), words),
    Pause: st.builds(Pause),
    Resume: st.builds(Resume),
}
directives = st.one_of(*DIRECTIVES.values())

bundles = st.builds(
    Bundle,
    attempt=attempts,
    plan=st.binary(max_size=300),
    variables=objects,
    transfers=transfers,
    annotations=labels,
    log_limit=st.integers(0, 2**63 - 1),
)
