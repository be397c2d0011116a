"""Leases, time-outs, cancel, pause: nothing stays open unexplained. Time is moved by hand."""

from __future__ import annotations

import pytest

from control_plane.ports.records import ExecutionRow
from tests.control_plane.services.world import AT, Agent, Conduct, World, plan, world
from workflow.identifiers import SECOND, ExecutionId, StepRef
from workflow.journal import Pause, Resume, StepPaused, StepResumed, Stop
from workflow.leases import Terms
from workflow.session import Assign, AttemptLost, Decline, Fenced, Withdraw
from workflow.states import ExecutionState, Verdict

S = ExecutionState
TERMS = Terms(heartbeat=10, lease=30, answer=10, lost_after=300, stop_grace=60)


async def running(w: World, agent: Agent, **annotations: str) -> Conduct:
    """An execution that has begun."""
    await w.start(plan("suite", annotations=annotations))
    conduct = await agent.assigned()
    await conduct.start()
    return conduct


async def row(w: World, conduct: Conduct) -> ExecutionRow:
    """It, as stored."""
    return await w.row(conduct.attempt.execution)


async def beat(w: World, agent: Agent, seconds: float, *conducts: Conduct) -> None:
    """Time passes; the agent lists what it holds."""
    for _ in range(int(seconds / TERMS.heartbeat)):
        await w.pass_time(TERMS.heartbeat)
        await agent.heartbeat(*(conduct.attempt for conduct in conducts))


async def test_an_agent_that_goes_before_it_began_loses_it_to_another() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        await w.start()
        conduct = await dev.assigned()
        await dev.leave()
        prod = await w.agent("prod")
        await beat(w, prod, 30)
        again = await prod.assigned()
        assert again.attempt.number == 2
        with pytest.raises(Fenced):
            await conduct.open()
        await again.run()
        assert (await row(w, again)).state is S.PASSED


async def test_an_offer_without_an_answer_is_made_to_somebody() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        await w.start()
        await dev.assigned(accept=False)
        await w.pass_time(10)
        withdrawn = await dev.heard()
        assert isinstance(withdrawn, Withdraw)
        again = await dev.assigned()
        assert (again.attempt.number, withdrawn.attempt.number) == (2, 1)


async def test_what_had_begun_waits_for_its_agent_and_goes_on() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        conduct = await running(w, dev)
        await dev.leave()
        await w.pass_time(299)
        assert (await row(w, conduct)).state is S.RUNNING
        session = await dev.connect(conduct.attempt)
        assert session.welcome.abandoned == ()
        await conduct.finish()
        assert (await row(w, conduct)).state is S.PASSED


async def test_what_had_begun_and_whose_agent_does_not_come_back_is_aborted_in_words() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        conduct = await running(w, dev)
        await dev.leave()
        await w.pass_time(301)
        lost = await row(w, conduct)
        assert (lost.state, lost.reason) == (S.ABORTED, "lost: dev did not come back within 300 s")
        session = await dev.connect(conduct.attempt)
        assert session.welcome.abandoned == (conduct.attempt,)


async def test_with_on_lost_retry_it_starts_again_as_another_attempt() -> None:
    async with world(TERMS).running() as w:
        dev, prod = await w.agent("dev"), await w.enlist("prod")
        conduct = await running(w, dev, **{"muster.dev/on-lost": "retry"})
        await dev.leave()
        await prod.connect()
        await beat(w, prod, 300)
        again = await prod.assigned()
        assert again.attempt.number == 2
        with pytest.raises(Fenced):
            await conduct.finish()
        await again.run()
        stored = await row(w, again)
        assert (stored.state, stored.attempt) == (S.PASSED, 2)


async def test_a_silent_agent_is_cut_off_and_its_zombie_is_welcome_back() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        conduct = await running(w, dev)
        await w.pass_time(31)
        assert w.house.sessions.connected() == frozenset()
        await dev.connect(conduct.attempt)
        await conduct.finish()
        assert (await row(w, conduct)).state is S.PASSED


async def test_an_agent_that_no_longer_lists_what_had_begun_has_lost_it() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        conduct = await running(w, dev)
        await beat(w, dev, 30)
        await w.settle()
        lost = await row(w, conduct)
        assert (lost.state, lost.reason) == (S.ABORTED, "lost: dev no longer holds it")


async def test_an_agent_that_says_it_is_lost_is_believed() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        conduct = await running(w, dev)
        await dev.say(AttemptLost(conduct.attempt, "the conductor was OOM-killed"))
        lost = await row(w, conduct)
        assert (lost.state, lost.reason) == (S.ABORTED, "lost: the conductor was OOM-killed")


async def test_jumps_of_the_wall_clock_change_nothing() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        conduct = await running(w, dev)
        queued = await w.start(plan("other"), target=None)
        for jump in (7200, -14400):
            w.clock.jump(jump)
            await beat(w, dev, 20, conduct)
        assert (await row(w, conduct)).state is S.RUNNING
        assert (await w.only(queued)).state is S.ASSIGNED


async def test_a_decline_goes_to_another_agent_and_rests_the_first() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        await w.start()
        first = await dev.assigned(accept=False)
        await dev.say(Decline(first.attempt, "no room"))
        await w.settle()
        stored = await row(w, first)
        assert (stored.state, stored.reason) == (S.QUEUED, "dev declined it: no room")
        await w.pass_time(5)
        assert (await dev.assigned()).attempt.number == 2


async def test_what_every_agent_refuses_for_good_ends_in_words() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        run = await w.start()
        first = await dev.assigned(accept=False)
        await dev.say(Decline(first.attempt, "image: cannot be honoured", final=True))
        await w.settle()
        stored = await row(w, first)
        assert (stored.state, stored.reason) == (S.ABORTED, "dev refuses it: image: cannot be honoured")
        assert (await w.run(run)).verdict is Verdict.ABORTED


async def test_a_queue_time_out_ends_it_with_the_reason_why_it_waited() -> None:
    async with world(TERMS).running() as w:
        run = await w.start(plan("suite", queue_timeout=60 * SECOND))
        await w.pass_time(59)
        assert (await w.only(run)).state is S.QUEUED
        await w.pass_time(2)
        stored = await w.only(run)
        assert stored.state is S.ABORTED
        assert stored.reason == "waited too long in the queue: waits for any agent: there are no agents"


async def test_cancel_ends_what_waits_at_once_and_asks_what_runs() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev", limit=1)
        conduct = await running(w, dev)
        waiting = await w.start()
        await w.house.supervision.cancel(waiting.id, "ada")
        assert (await w.run(waiting)).verdict is Verdict.CANCELED
        await w.house.supervision.cancel((await row(w, conduct)).run, "ada")
        assert (await row(w, conduct)).state is S.STOPPING
        assert await conduct.directive() == Stop(S.CANCELED, "canceled by ada")
        await conduct.finish(S.PASSED)
        stored = await row(w, conduct)
        assert (stored.state, stored.reason) == (S.CANCELED, "canceled by ada")


async def test_cancel_of_what_was_offered_withdraws_it() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        run = await w.start()
        conduct = await dev.assigned()
        await w.house.supervision.cancel(run.id)
        assert await dev.heard() == Withdraw(conduct.attempt, "canceled")
        with pytest.raises(Fenced):
            await conduct.start()


async def test_what_does_not_stop_within_the_grace_is_ended_by_force() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        conduct = await running(w, dev)
        await w.house.supervision.cancel((await row(w, conduct)).run)
        await beat(w, dev, 60, conduct)
        await w.settle()
        stored = await row(w, conduct)
        assert stored.state is S.CANCELED
        assert "did not end within 60 s" in stored.reason
        assert isinstance(await dev.heard(), Withdraw)


async def test_a_cancel_while_the_agent_is_away_reaches_it_when_it_comes_back() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        conduct = await running(w, dev)
        await dev.leave()
        await w.house.supervision.cancel((await row(w, conduct)).run)
        await w.pass_time(200)
        await dev.connect(conduct.attempt)
        again = Conduct(dev, conduct.bundle)
        assert await again.directive() == Stop(S.CANCELED, "canceled")


async def test_pause_and_resume_are_told_and_wait_for_nobody() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        conduct = await running(w, dev)
        run = (await row(w, conduct)).run
        await w.house.supervision.pause(run)
        assert await conduct.directive() == Pause()
        await conduct.write(StepPaused(AT, StepRef("1")))
        assert (await row(w, conduct)).state is S.PAUSED
        await w.house.supervision.resume(run)
        assert await conduct.directive() == Resume()
        await conduct.write(StepResumed(AT, StepRef("1")))
        stored = await row(w, conduct)
        assert (stored.state, stored.resumed) == (S.RUNNING, False)


async def test_a_second_session_ends_the_first_and_gets_its_work() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        await w.start()
        first = await dev.assigned()
        clone = Agent(w, "dev", 10)
        session = await clone.connect()
        assert session.welcome.session == 2
        with pytest.raises(Fenced):
            await dev.heartbeat(first.attempt)
        offered = await clone.heard()
        assert isinstance(offered, Assign)
        assert offered.bundle.attempt == first.attempt


async def test_a_drained_agent_is_told_and_gets_nothing_new() -> None:
    async with world(TERMS).running() as w:
        dev = await w.agent("dev")
        assert await w.house.sessions.drain(dev.name)
        await w.settle()
        run = await w.start()
        await w.pass_time(2)
        stored = await w.only(run)
        assert (stored.state, stored.reason) == (S.QUEUED, "waits for any agent: dev matches, draining")
        assert not await w.house.sessions.drain(ExecutionId("nobody"))  # type: ignore[arg-type]


async def test_an_agent_of_another_name_cannot_touch_it() -> None:
    async with world(TERMS).running() as w:
        dev, prod = await w.agent("dev"), await w.enlist("prod")
        conduct = await running(w, dev)
        await prod.connect()
        await prod.say(AttemptLost(conduct.attempt, "I want it gone"))
        await prod.say(Decline(conduct.attempt, "no", final=True))
        assert (await row(w, conduct)).state is S.RUNNING
        await prod.heartbeat(conduct.attempt)
        assert isinstance(await prod.heard(), Withdraw)
