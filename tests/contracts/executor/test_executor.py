"""What every executor promises (agent.ports.executor)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agent.ports.conductor import FromConductor, Records, Release, Stored
from agent.ports.executor import CannotLaunch, ConductorGone, Conversation, Executor, Found
from tests.agent.plans import assign, attempt, plan, shell
from tests.contracts.executor.conftest import Adapter
from workflow.identifiers import Attempt
from workflow.journal import AttemptFinished, AttemptStarted, Output, Record, StepStarted, Stream
from workflow.session import Assign

PATIENCE = 60.0
"""Seconds for which anything is waited for, on a machine that may have much else to do."""


def work(script: str = "echo hello") -> tuple[Attempt, Assign]:
    made = assign(plan(shell(script)))
    return made.bundle.attempt, made


def printed(records: list[Record]) -> bytes:
    outputs = [one.entry for one in records if isinstance(one.entry, Output)]
    return b"".join(entry.data for entry in outputs if entry.stream is Stream.STDOUT)


async def record(received: AsyncIterator[FromConductor], enough: type) -> list[Record]:
    """The records up to the first whose entry is an ``enough``."""
    found: list[Record] = []
    async with asyncio.timeout(PATIENCE):
        async for message in received:
            if isinstance(message, Records):
                found.extend(message.records)
                if any(isinstance(one.entry, enough) for one in message.records):
                    return found
    raise AssertionError(f"the conversation ended before {enough.__name__}: {found}")


async def finished(executor: Executor, of: Attempt, after: int = 0) -> list[Record]:
    """Everything of an execution, acknowledged as it comes."""
    found: list[Record] = []
    async with asyncio.timeout(PATIENCE), executor.connect(of, after) as conversation:
        async for message in conversation.received():
            if isinstance(message, Records):
                found.extend(message.records)
                await conversation.say(Stored(found[-1].seq))
                if isinstance(found[-1].entry, AttemptFinished):
                    return found
    raise AssertionError("the conversation ended too early")


async def gone(executor: Executor, of: Attempt) -> str:
    """Connect until the conductor is known to be gone; the reason."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                async with executor.connect(of, 0) as conversation:
                    async for _ in conversation.received():
                        pass
            except ConnectionError:
                await asyncio.sleep(0.01)
            except ConductorGone as reason:
                return reason.reason


async def test_a_launched_bundle_runs_to_its_last_entry(adapter: Adapter) -> None:
    of, bundle = work()
    await adapter.executor.launch(bundle)
    records = await finished(adapter.executor, of)
    assert [one.seq for one in records] == list(range(1, len(records) + 1))
    assert isinstance(records[0].entry, AttemptStarted)
    assert printed(records) == b"hello\n"


async def test_no_step_begins_before_the_first_entry_is_acknowledged(adapter: Adapter) -> None:
    of, bundle = work()
    await adapter.executor.launch(bundle)
    async with adapter.executor.connect(of, 0) as conversation:
        received = conversation.received()
        first = await record(received, AttemptStarted)
        assert len(first) == 1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(received)
    async with adapter.executor.connect(of, 1) as conversation:
        assert await record(conversation.received(), StepStarted)


async def test_launching_again_does_nothing(adapter: Adapter) -> None:
    of, bundle = work("echo once; sleep 0.2")
    await adapter.executor.launch(bundle)
    await adapter.executor.launch(bundle)
    records = await finished(adapter.executor, of)
    assert sum(isinstance(one.entry, AttemptStarted) for one in records) == 1
    await adapter.executor.launch(bundle)
    assert [found.attempt for found in await adapter.executor.held()] == [of]


async def test_who_connects_again_goes_on_where_it_was_acknowledged(adapter: Adapter) -> None:
    of, bundle = work("for i in 1 2 3; do echo $i; sleep 0.15; done")
    await adapter.executor.launch(bundle)
    async with adapter.executor.connect(of, 0) as conversation:
        received = conversation.received()
        await record(received, AttemptStarted)
        await conversation.say(Stored(1))
        seen = await record(received, Output)
    records = await finished(adapter.executor, of, after=1)
    assert [one.seq for one in records] == list(range(2, len(records) + 2))
    assert records[: len(seen)] == seen


async def test_a_new_connection_ends_the_older(adapter: Adapter) -> None:
    of, bundle = work("sleep 0.3")
    await adapter.executor.launch(bundle)
    async with adapter.executor.connect(of, 0) as older:
        received = older.received()
        await record(received, AttemptStarted)
        async with adapter.executor.connect(of, 0) as newer:
            await record(newer.received(), AttemptStarted)
            async with asyncio.timeout(PATIENCE):
                assert [message async for message in received] == []


async def test_what_exists_is_held_until_it_is_removed(adapter: Adapter) -> None:
    assert await adapter.executor.held() == ()
    one, first = work("sleep 1000")
    two, second = work("sleep 1000")
    await adapter.executor.launch(first)
    await adapter.executor.launch(second)
    assert set(await adapter.executor.held()) == {Found(one, alive=True), Found(two, alive=True)}
    await adapter.executor.remove(one)
    assert await adapter.executor.held() == (Found(two, alive=True),)
    await adapter.executor.remove(one)
    await adapter.executor.remove(attempt(name="never-heard-of"))
    await adapter.executor.remove(two)
    assert await adapter.executor.held() == ()
    assert "gone" in await gone(adapter.executor, two)


async def test_another_executor_finds_and_adopts(adapter: Adapter) -> None:
    of, bundle = work("echo on; sleep 0.3; echo end")
    await adapter.executor.launch(bundle)
    await adapter.executor.close()
    after_restart = adapter.again()
    assert await after_restart.held() == (Found(of, alive=True),)
    records = await finished(after_restart, of)
    assert printed(records) == b"on\nend\n"


async def test_what_a_dead_conductor_left_can_be_read(adapter: Adapter) -> None:
    of, bundle = work("echo before; sleep 1000")
    await adapter.executor.launch(bundle)
    async with adapter.executor.connect(of, 0) as conversation:
        received = conversation.received()
        await record(received, AttemptStarted)
        await conversation.say(Stored(1))
        seen = await record(received, Output)
    adapter.kill(of)
    assert await gone(adapter.executor, of)
    assert await adapter.executor.held() == (Found(of, alive=False),)
    assert [one async for one in adapter.executor.leftovers(of, 1)] == seen
    assert [one async for one in adapter.executor.leftovers(of, 2)] == seen[1:]
    assert [one async for one in adapter.executor.leftovers(of, 99)] == []
    await adapter.executor.remove(of)
    assert [one async for one in adapter.executor.leftovers(of, 0)] == []


async def test_a_released_conductor_ends_by_itself(adapter: Adapter) -> None:
    of, bundle = work("true")
    await adapter.executor.launch(bundle)
    await finished(adapter.executor, of)
    async with adapter.executor.connect(of, 99) as conversation:
        await released(conversation)
    assert await gone(adapter.executor, of)


async def released(conversation: Conversation) -> None:
    await conversation.say(Release())
    async with asyncio.timeout(PATIENCE):
        assert [message async for message in conversation.received()] == []


async def test_another_attempt_is_nobody(adapter: Adapter) -> None:
    of, bundle = work("sleep 1000")
    await adapter.executor.launch(bundle)
    with pytest.raises(ConductorGone):
        async with adapter.executor.connect(Attempt(of.execution, of.number + 1), 0):
            pass


async def test_what_is_refused_leaves_nothing_behind(adapter: Adapter) -> None:
    broken = assign(plan(shell("true")))
    bundle = type(broken.bundle)(broken.bundle.attempt, b"{}")
    with pytest.raises(CannotLaunch) as refusal:
        await adapter.executor.launch(Assign(bundle))
    assert refusal.value.final and refusal.value.reason
    assert await adapter.executor.held() == ()


async def test_many_are_launched_at_once(adapter: Adapter) -> None:
    bundles = [work("echo hello") for _ in range(12)]
    async with asyncio.TaskGroup() as tasks:
        for _, bundle in bundles:
            tasks.create_task(adapter.executor.launch(bundle))
    async with asyncio.TaskGroup() as tasks:
        ends = [tasks.create_task(finished(adapter.executor, of)) for of, _ in bundles]
    assert all(isinstance(end.result()[-1].entry, AttemptFinished) for end in ends)


async def test_values_that_come_with_it_reach_its_steps_masked_and_outlive_the_agent(adapter: Adapter) -> None:
    script = (
        'echo $(printf %s "{{ secret("muster.dev/config","pin") }}" | wc -c) {{ secret("muster.dev/config","pin") }}'
    )
    of, bundle = work(script)
    await adapter.executor.launch(replace(bundle, secrets={"pin": "4711-0815", "more": "unused"}))
    after = adapter.again()
    records = await finished(after, of)
    assert printed(records) == b"9 *****\n", records
    await after.remove(of)
