"""Who tries again and again must still end when told to."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from agent.relay.patience import Patience


async def test_a_cancellation_that_meets_a_failure_is_not_lost() -> None:
    failing, tries = asyncio.Event(), 0

    async def fails() -> None:
        failing.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionError("the link is down")

    async def tries_for_ever() -> None:
        nonlocal tries
        patience = Patience(0.001, 0.001)
        while True:
            tries += 1
            with suppress(BaseExceptionGroup):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(fails())
            await patience.wait()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(tries_for_ever())
        await failing.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(15):
                await task
    assert tries == 1
