"""What every executor promises, on a cluster in this process. One promise is kept in another way: a conductor that is
killed leaves nothing on an agent's disk, but comes back in its pod and tells."""

from __future__ import annotations

import asyncio

import pytest

from agent.executors.kubernetes.naming import pod_name
from agent.ports.conductor import Stored
from tests.agent.executors.kubernetes.conftest import FakeCluster
from tests.contracts.executor.conftest import Adapter
from tests.contracts.executor.test_executor import *  # noqa: F403 - the contract's own tests
from tests.contracts.executor.test_executor import finished, printed, record, work
from workflow.journal import AttemptFinished, AttemptStarted, Output
from workflow.states import ExecutionState


@pytest.fixture
async def adapter(cluster: FakeCluster) -> Adapter:
    """The executor as the contract wants it."""
    return Adapter(
        cluster.executor(), cluster.executor, lambda attempt: cluster.kubelet.kill_conductor(pod_name(attempt))
    )


async def test_what_a_dead_conductor_left_can_be_read(adapter: Adapter) -> None:  # type: ignore[no-redef]
    of, bundle = work("echo before; sleep 1000")
    await adapter.executor.launch(bundle)
    async with adapter.executor.connect(of, 0) as conversation:
        received = conversation.received()
        await record(received, AttemptStarted)
        await conversation.say(Stored(1))
        await record(received, Output)
    adapter.kill(of)
    async with asyncio.timeout(60):
        while True:
            try:
                records = await finished(adapter.executor, of, 1)
                break
            except (ConnectionError, AssertionError):
                await asyncio.sleep(0.05)
    assert printed(records) == b"before\n"
    last = records[-1].entry
    assert isinstance(last, AttemptFinished) and last.state is ExecutionState.ABORTED and "killed" in last.reason
