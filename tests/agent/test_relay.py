"""The relay beside what it relays: trouble with one attempt stays that attempt's."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from agent.ports.executor import Conversation, Found
from agent.relay import patience
from tests.agent.conftest import Bench, bench_in
from tests.agent.plans import assign, attempt, plan, shell
from tests.fakes.control import MemoryControl
from workflow.identifiers import Attempt
from workflow.session import (
    Assign,
    AttemptLost,
    Decline,
    Drain,
    Draining,
    Heartbeat,
    NotAdmitted,
    Refused,
    Taking,
    Undrain,
)
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


async def test_a_journal_that_is_refused_ends_its_attempt_with_a_story_and_nobody_else(bench: Bench) -> None:
    poison = attempt(name="poison")
    bench.control.refused[poison] = Refused("record 1 is not understood")
    other = await bench.submit(plan(shell("echo before; sleep 1000")))
    await bench.submit(assign(plan(shell("echo")), poison))
    await bench.control.until(lambda: any(isinstance(said, AttemptLost) for said in bench.control.said))
    lost = next(said for said in bench.control.said if isinstance(said, AttemptLost))
    assert lost == AttemptLost(poison, "the control plane refuses its journal: record 1 is not understood")
    await bench.control.until(lambda: poison not in _held_at_last(bench))
    later = await bench.run(plan(shell("echo later")))
    assert later.finished is not None and later.finished.state is ExecutionState.PASSED
    assert other.finished is None


async def test_an_attempt_waits_where_the_agent_itself_is_refused(bench: Bench) -> None:
    mine = attempt()
    bench.control.refused[mine] = NotAdmitted("the certificate is not in force")
    held = await bench.submit(assign(plan(shell("echo hello")), mine))
    await bench.control.until(lambda: mine in _held_at_last(bench))
    del bench.control.refused[mine]
    await bench.control.until(lambda: held.finished is not None)
    assert held.output() == b"hello\n"
    assert not any(isinstance(said, AttemptLost) for said in bench.control.said)


async def test_an_attempt_that_we_cannot_carry_is_lost_and_ends_nobody_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, connect = attempt(name="poison"), bench.executor.connect

    def broken(of: Attempt, acknowledged: int) -> AbstractAsyncContextManager[Conversation]:
        if of == poison:
            raise KeyError("1")
        return connect(of, acknowledged)

    monkeypatch.setattr(bench.executor, "connect", broken)
    await bench.submit(assign(plan(shell("echo")), poison))
    await bench.control.until(lambda: any(isinstance(said, AttemptLost) for said in bench.control.said))
    lost = next(said for said in bench.control.said if isinstance(said, AttemptLost))
    assert "a bug in Muster: KeyError: '1'" in lost.reason
    later = await bench.run(plan(shell("echo later")))
    assert later.finished is not None


async def test_what_is_left_of_an_attempt_that_nobody_holds_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench_in(tmp_path, sweep=0.05) as bench:
        remove, broken = bench.executor.remove, [True]

        async def unwilling(of: Attempt) -> None:
            if broken:
                broken.clear()
                raise OSError("the disk is away")
            await remove(of)

        monkeypatch.setattr(bench.executor, "remove", unwilling)
        await bench.run(plan(shell("echo left behind")))
        beside = await bench.submit(plan(shell("sleep 1000")))
        await bench.control.until(lambda: not broken)
        async with asyncio.timeout(30):
            while len(await bench.executor.held()) > 1:
                await asyncio.sleep(0.02)
        assert [each.attempt for each in await bench.executor.held()] == [bench.seen[-1]]
        assert beside.finished is None


async def test_what_was_seen_before_the_link_was_cut_may_be_another_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen, but no heartbeat said after that was answered: a newer agent of this name may have launched it."""
    control = MemoryControl(heartbeat_ms=100_000)
    async with bench_in(tmp_path, sweep=0.02, control=control) as bench:
        launched = assign(plan(shell("sleep 1000")))
        looked, held = asyncio.Event(), bench.executor.held

        async def counted() -> tuple[Found, ...]:
            found = await held()
            if found:
                looked.set()
            return found

        monkeypatch.setattr(bench.executor, "held", counted)
        await bench.executor.launch(launched)  # as if by another program
        async with asyncio.timeout(30):
            await looked.wait()
        control.cut()
        await control.until(lambda: len(control.hellos) > 1)
        assert [each.attempt for each in await held()] == [launched.bundle.attempt]


async def test_draining_holds_for_a_session_and_can_be_taken_back(bench: Bench) -> None:
    bench.control.say(Drain())
    await bench.control.until(lambda: Draining() in bench.control.said)
    await bench.submit(plan(shell("echo")))
    await bench.control.until(lambda: any(isinstance(said, Decline) for said in bench.control.said))
    bench.control.say(Undrain())
    await bench.control.until(lambda: Taking() in bench.control.said)
    assert (await bench.run(plan(shell("echo again")))).output() == b"again\n"
    bench.control.say(Drain())
    await bench.control.until(lambda: bench.control.said.count(Draining()) == 2)
    bench.control.cut()
    await bench.control.until(lambda: len(bench.control.hellos) > 1)
    assert (await bench.run(plan(shell("echo anew")))).output() == b"anew\n"


def _held_at_last(bench: Bench) -> tuple[Attempt, ...]:
    beats = [said.held for said in bench.control.said if isinstance(said, Heartbeat)]
    return beats[-1] if beats else ()


async def test_nobody_waits_long_for_a_control_plane_that_is_back_and_no_two_wait_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All agents are back within seconds however long it was away, and do not all knock at once."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("agent.relay.patience.asyncio.sleep", sleep)
    many = [patience.Patience() for _ in range(200)]
    for _ in range(20):
        waited.clear()
        for one in many:
            await one.wait()
    assert max(waited) <= 5
    assert max(waited) - min(waited) > 1
    assert len(set(waited)) > 190
    many[0].reset()
    waited.clear()
    await many[0].wait()
    assert waited[0] <= patience.SHORTEST
