"""Sessions: who gets in, what both sides hold of each other."""

from __future__ import annotations

import pytest

from control_plane.ports.records import AgentState
from tests.control_plane.services.world import plan, world
from workflow.identifiers import AgentName, Attempt, ExecutionId
from workflow.session import (
    LANGUAGE,
    OLDEST_PROTOCOL,
    PROTOCOL,
    UNDRAIN,
    Drain,
    Draining,
    Hello,
    LinkDown,
    Refused,
    Taking,
    Undrain,
)


async def test_unknown_invited_and_revoked_agents_are_refused() -> None:
    async with world().running() as w:
        with pytest.raises(Refused, match="agent nobody is unknown here"):
            await w.house.sessions.open(AgentName("nobody"), Hello("1", "process", 1))
        for state in (AgentState.INVITED, AgentState.REVOKED):
            agent = await w.enlist(state.value)
            await w.change(agent.name, state=state)
            with pytest.raises(Refused, match=f"is {state.value} here"):
                await agent.connect()
        assert w.house.sessions.connected() == frozenset()


async def test_versions_that_do_not_fit_are_refused_with_both() -> None:
    async with world().running() as w:
        dev = await w.enlist("dev")
        older = OLDEST_PROTOCOL - 1
        old = Hello("0.0.1", "process", 1, protocol=older, oldest_protocol=older)
        words = rf"0\.0\.1.*speaks protocol {older}.*\(test\) speaks {OLDEST_PROTOCOL} to {PROTOCOL}"
        with pytest.raises(Refused, match=words):
            await w.house.sessions.open(dev.name, old)
        behind = Hello("0.0.1", "process", 1, language=LANGUAGE - 1)
        with pytest.raises(Refused, match="upgrade the agent"):
            await w.house.sessions.open(dev.name, behind)


async def test_what_is_unknown_or_over_is_abandoned_at_hello() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        await w.start()
        done = await dev.assigned()
        await done.run()
        await w.start()
        held = await dev.assigned()
        stranger = Attempt(ExecutionId("stranger"), 1)
        session = await dev.connect(done.attempt, held.attempt, stranger)
        assert set(session.welcome.abandoned) == {done.attempt, stranger}


async def test_revoking_ends_the_session_as_refused() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        await w.change(dev.name, state=AgentState.REVOKED)
        with pytest.raises(Refused, match="revoked"):
            await dev.heard()
        assert w.house.sessions.connected() == frozenset()


async def test_draining_is_told() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        await w.house.sessions.drain(dev.name)
        assert await dev.heard() == Drain()
        await dev.say(Draining())
        await w.house.sessions.undrain(dev.name)
        assert await dev.heard() == Undrain()
        await w.start()
        await w.settle()
        assert dev.session is not None and dev.session.next() is None  # it is heard first: until then it may decline
        await dev.say(Taking())
        assert await dev.assigned()


async def test_an_agent_that_cannot_be_told_drains_until_it_is_started_anew() -> None:
    async with world().running() as w:
        dev = await w.enlist("dev")
        dev.protocol = UNDRAIN - 1
        await dev.connect()
        await w.house.sessions.drain(dev.name)
        assert await dev.heard() == Drain()
        await dev.say(Draining())
        await w.house.sessions.undrain(dev.name)
        await w.start()
        await w.settle()
        assert dev.session is not None and dev.session.next() is None
        await dev.connect()
        assert await dev.assigned()


async def test_a_lower_limit_that_was_granted_counts() -> None:
    async with world().running() as w:
        dev = await w.agent("dev", limit=5)
        await w.change(dev.name, max_concurrent=1)
        await w.settle()
        runs = [await w.start(plan("suite")) for _ in range(2)]
        await w.settle()
        states = [(await w.only(run)).state.value for run in runs]
        assert states == ["assigned", "queued"]
        assert w.house.routing.load_of(dev.name) == 1


async def test_who_takes_no_messages_is_cut_off() -> None:
    async with world().running() as w:
        dev = await w.agent("dev")
        assert dev.session is not None
        for _ in range(20_001):
            dev.session.say(Drain())
        with pytest.raises(LinkDown, match="takes no messages"):
            await dev.heartbeat()


async def test_a_thousand_agents_sleep() -> None:
    """No agent costs a timer: with all of them idle one moment of the future is waited for."""
    async with world().running() as w:
        for i in range(1000):
            await w.agent(f"a{i}")
        await w.settle(50)
        assert w.clock.sleepers <= 3


async def test_sessions_that_are_over_leave_nothing_behind() -> None:
    async with world().running() as w:
        dev = await w.enlist("dev")
        for _ in range(5):
            session = await dev.connect()
            clone = await dev.connect()
            await session.close()
            await clone.close()
        await dev.connect()
        await w.settle()
        assert len(w.signals._hearers["agent/"]) == 1
