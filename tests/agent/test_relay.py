"""The relay beside what it relays: trouble with one attempt stays that attempt's."""

from __future__ import annotations

import pytest

from tests.agent.conftest import Bench
from tests.agent.plans import assign, attempt, plan, shell
from workflow.session import Assign, Decline
from workflow.states import ExecutionState


async def test_a_launch_that_fails_by_our_own_fault_is_declined_and_ends_nobody_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, launch = attempt(name="poison"), bench.executor.launch

    async def broken(assigned: Assign) -> None:
        if assigned.bundle.attempt == poison:
            raise KeyError("1")
        await launch(assigned)

    monkeypatch.setattr(bench.executor, "launch", broken)
    other = await bench.submit(plan(shell("echo before; sleep 1000")))
    await bench.submit(assign(plan(shell("echo")), poison))
    await bench.control.until(lambda: any(isinstance(said, Decline) for said in bench.control.said))
    declined = next(said for said in bench.control.said if isinstance(said, Decline))
    assert declined.attempt == poison and declined.final and "a bug in Muster: KeyError: '1'" in declined.reason
    later = await bench.run(plan(shell("echo later")))
    assert later.finished is not None and later.finished.state is ExecutionState.PASSED
    assert other.finished is None
