"""Programs killed in the middle of a run: every line once, in order, the right verdict."""

from __future__ import annotations

import asyncio
import os
import signal

from muster.local.state import start_time
from tests.faults.conftest import AGENT, ALL, LINES, Field, Watched
from workflow.states import ExecutionState, Verdict


async def finished(ground: Field, watched: Watched) -> None:
    """It passed in its first attempt, and every line was heard once and is stored once."""
    assert await watched.verdict() is Verdict.PASSED
    assert watched.text.splitlines() == ALL
    assert await ground.stored(watched) == ALL
    execution = await ground.execution(watched)
    assert (execution.attempt, execution.state) == (1, ExecutionState.PASSED)


async def test_an_agent_killed_twice_is_followed_by_one_that_adopts_its_conductors(ground: Field) -> None:
    async with ground.numbered() as watched:
        for number in range(2):
            await ground.round(watched)
            await watched.printed(number * LINES + 10)
            await ground.kill(AGENT.name)
            await ground.system.start_agent(AGENT)
        await ground.round(watched)
        await finished(ground, watched)


async def test_a_control_plane_killed_twice_comes_back_and_the_run_goes_on(ground: Field) -> None:
    async with ground.numbered() as watched:
        for number in range(2):
            await ground.round(watched)
            await watched.printed(number * LINES + 10)
            await ground.kill("control-plane")
            await ground.system.start_control_plane()
        await ground.round(watched)
        await finished(ground, watched)


async def test_both_killed_at_once_lose_nothing(ground: Field) -> None:
    async with ground.numbered() as watched:
        await ground.round(watched)
        await watched.printed(10)
        ground.system.program(AGENT.name).kill()
        await ground.kill("control-plane")
        await ground.system.start_control_plane()
        await ground.system.start_agent(AGENT)
        await ground.round(watched)
        await ground.round(watched)
        await finished(ground, watched)


async def test_an_agent_stopped_for_longer_than_its_lease_goes_on(ground: Field) -> None:
    async with ground.numbered() as watched:
        await ground.round(watched)
        await watched.printed(10)
        os.kill(ground.system.program(AGENT.name).pid, signal.SIGSTOP)
        await ground.connected(False)
        await ground.round(watched)
        os.kill(ground.system.program(AGENT.name).pid, signal.SIGCONT)
        await ground.connected(True)
        await ground.round(watched)
        await finished(ground, watched)


async def test_a_killed_conductor_is_an_aborted_execution_that_says_why(ground: Field) -> None:
    async with ground.numbered() as watched:
        await ground.round(watched)
        await watched.printed(LINES)
        os.kill(await ground.conductor(watched), signal.SIGKILL)
        assert await watched.verdict() is Verdict.ABORTED
        assert watched.text.splitlines() == ALL[:LINES]
        execution = await ground.execution(watched)
        assert "killed by signal 9" in execution.reason
        await ground.until(lambda: not ground.folder(execution.id).exists())


async def test_a_killed_conductor_is_followed_by_another_where_the_workflow_says_so(ground: Field) -> None:
    async with ground.numbered(on_lost="retry") as watched:
        await ground.round(watched)
        await watched.printed(LINES)
        os.kill(await ground.conductor(watched), signal.SIGKILL)
        for _ in range(3):
            await ground.round(watched, attempt=2)
        assert await watched.verdict() is Verdict.PASSED
        assert watched.text.splitlines() == [*ALL[:LINES], *ALL]
        assert (await ground.execution(watched)).attempt == 2


async def test_a_run_canceled_while_its_agent_is_away_ends_when_it_is_back(ground: Field) -> None:
    async with ground.numbered() as watched:
        await ground.round(watched)
        await watched.printed(10)
        conductor = await ground.conductor(watched)
        await ground.kill(AGENT.name)
        await ground.client.cancel(watched.run.id)
        execution = await ground.execution(watched)
        assert execution.state is ExecutionState.STOPPING
        await ground.system.start_agent(AGENT)
        assert await watched.verdict() is Verdict.CANCELED
        await ground.until(lambda: not ground.folder(execution.id).exists())
        assert not start_time(conductor)


async def test_who_follows_the_log_hears_every_line_once_over_a_killed_control_plane(ground: Field) -> None:
    async with ground.numbered() as watched, asyncio.TaskGroup() as tasks:
        pieces = ground.client.logs(watched.run.id, follow=True)

        async def heard() -> str:
            return "".join([piece.text async for piece in pieces])

        following = tasks.create_task(heard())
        for number in range(2):
            await ground.round(watched)
            await watched.printed(number * LINES + 10)
            await ground.kill("control-plane")
            await ground.system.start_control_plane()
        await ground.round(watched)
        assert (await following).splitlines() == ALL
        await finished(ground, watched)
