"""A pod that somebody deletes or evicts at any instant: the right state and a sentence within seconds, and passed only
where its conductor said so before, with every line.

The instants come from a seed: some are moments on the clock, some events of the journal. What a seed showed once it
mostly shows again, since the cluster's own timing takes part.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from enum import StrEnum

import pytest

from agent.executors.kubernetes.calls import ApiRefused
from agent.executors.kubernetes.naming import pod_name
from tests.contracts.cutting.bench import WAIT, Cut
from tests.fakes.control import Held
from workflow.identifiers import Attempt
from workflow.journal import AttemptFinished, AttemptStarted, Entry, Output, StepFinished
from workflow.session import AttemptLost
from workflow.states import ExecutionState

LINES = 30
ALL = b"".join(b"%d\n" % number for number in range(1, LINES + 1)) + b"end\n"
COUNT = f"i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo $i; sleep 0.03; done"
ENDLESS = f"{COUNT}; sleep 1000"
WORDS = re.compile("delet|evict|disruption", re.IGNORECASE)
LONGEST = 4.0
"""Seconds after a launch at which the last clock moments lie: a pod that nothing troubles is over by then."""


class How(StrEnum):
    """Who ends it."""

    DELETED = "deleted"
    AT_ONCE = "deleted without grace"
    EVICTED = "evicted"


EVENTS: dict[str, Callable[[Entry], bool]] = {
    "begun": lambda entry: isinstance(entry, AttemptStarted),
    "printing": lambda entry: isinstance(entry, Output),
    "between steps": lambda entry: isinstance(entry, StepFinished) and entry.ref == "1",
    "last step over": lambda entry: isinstance(entry, StepFinished) and entry.ref == "2",
    "over": lambda entry: isinstance(entry, AttemptFinished),
}


async def end(cut: Cut, of: Attempt, how: How) -> None:
    """Now; a pod that is not there (any more) is left alone."""
    path = f"{cut.base}/pods/{pod_name(of)}"
    try:
        match how:
            case How.DELETED:
                await cut.past.delete(path)
            case How.AT_ONCE:
                await cut.past.delete(path, grace=0)
            case How.EVICTED:
                head = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod_name(of)}}
                await cut.past.create(f"{path}/eviction", head)
    except ApiRefused as refused:
        assert refused.status in {404, 409}


async def ended(cut: Cut, of: Attempt, held: Held) -> tuple[ExecutionState, str]:
    """How the execution ended, and the reason; lost is aborted."""

    def lost() -> list[str]:
        return [said.reason for said in cut.control.said if isinstance(said, AttemptLost) and said.attempt == of]

    await cut.until(lambda: held.finished is not None or bool(lost()))
    if held.finished is not None:
        return held.finished.state, held.finished.reason
    return ExecutionState.ABORTED, lost()[0]


async def struck(cut: Cut, how: How, instant: Callable[[Held], Awaitable[None]], script: str = COUNT) -> None:
    """One execution whose pod is ended at an instant."""
    of, held = cut.begin(script)
    async with asyncio.timeout(WAIT):
        while await cut.pod(of) is None and held.finished is None:
            await asyncio.sleep(0.01)
    await instant(held)
    await end(cut, of, how)
    state, reason = await ended(cut, of, held)
    if state is ExecutionState.PASSED:
        assert held.output() == ALL and script == COUNT
    else:
        assert state is ExecutionState.ABORTED and WORDS.search(reason), f"{how.value}: {state} {reason}"
        assert ALL.startswith(held.output()), held.output()


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("how", list(How))
async def test_a_pod_ended_at_an_event_of_its_journal(cut: Cut, how: How, event: str) -> None:
    async def instant(held: Held) -> None:
        await cut.until(lambda: any(EVENTS[event](record.entry) for record in held.records))

    await struck(cut, how, instant, ENDLESS if event in {"begun", "printing"} else COUNT)
    await cut.clean()


@pytest.mark.parametrize("seed", [1, 2])
async def test_pods_ended_at_any_moment(cut: Cut, seed: int) -> None:
    chance = random.Random(seed)

    async def one(how: How, moment: float) -> None:
        await struck(cut, how, lambda _: asyncio.sleep(moment))

    async with asyncio.TaskGroup() as tasks:
        for how in How:
            for _ in range(4):
                tasks.create_task(one(how, chance.uniform(0, LONGEST)))
    await cut.clean()
