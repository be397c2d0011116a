"""An agent killed at each point of its conversation with the API server: the points, and what must hold at each.

No program under test has a place made for this: the points are the requests themselves, and a run that nobody disturbs
shows that the table holds every one of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Final

from tests.contracts.cutting.bench import WAIT
from tests.contracts.killing.bench import Ground, Moment

LAUNCH: Final = ("POST secrets", "POST persistentvolumeclaims", "POST pods", "CONNECT pods")
"""From an assignment to a conversation with its conductor."""
END: Final = ("DELETE pods", "DELETE secrets", "DELETE persistentvolumeclaims")
"""After the last line."""
ADOPTION: Final = (
    *("LIST pods", "WATCH pods", "LIST secrets", "LIST persistentvolumeclaims"),
    *("GET secrets", "CONNECT pods"),
)
"""What an agent asks when it finds pods of another's time."""


async def killed_once(ground: Ground, point: str, moment: Moment) -> None:
    """Of a launch, or of an end."""
    trap = ground.arm(point, moment)
    async with ground.numbered() as watched:
        await ground.died(trap, watched)
        await ground.again()
        await ground.passed(watched)


async def killed_while_adopting(ground: Ground, point: str, moment: Moment) -> None:
    """A first agent is killed in the middle of the run, a second one when it takes over; a third one ends it."""
    async with ground.numbered() as watched:
        await watched.printed(20)
        ground.kill()
        trap = ground.arm(point, moment)
        await ground.again()
        await ground.died(trap, watched)
        await ground.again()
        await ground.passed(watched)


async def killed_while_it_prints(ground: Ground) -> None:
    """Three times in the middle of a step."""
    async with ground.numbered() as watched:
        for line in (10, 40, 70):
            await watched.printed(line)
            ground.kill()
            await ground.again()
        await ground.passed(watched)


async def undisturbed(ground: Ground) -> set[str]:
    """A run with one change of agents and no other trouble; the points of its requests."""
    async with ground.numbered() as watched:
        await watched.printed(20)
        ground.kill()
        await ground.again()
        await ground.passed(watched)
    return {asked.point for asked in ground.proxy.asked}


async def frozen_for_longer_than_its_lease(ground: Ground) -> None:
    """The agent stands still while a step prints, is given up, wakes up, and goes on with what it has."""
    async with ground.numbered() as watched:
        await watched.printed(20)
        os.kill(ground.system.program(ground.agent.name).pid, signal.SIGSTOP)
        async with asyncio.timeout(WAIT):
            while (await ground.client.agents())[0].connected:
                await asyncio.sleep(0.05)
        os.kill(ground.system.program(ground.agent.name).pid, signal.SIGCONT)
        await ground.passed(watched)
