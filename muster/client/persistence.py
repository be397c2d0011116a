"""A stream that is opened again when it breaks. Used by muster.client.watching and .following.

Knows nothing of what is streamed: who opens it again says where to go on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from muster.client.errors import ClientError, Unreachable

T = TypeVar("T")

FIRST = 0.1
LONGEST = 5.0
"""Seconds before it is opened again, more or less: at first, doubled each time, at the most."""


async def persistent(
    once: Callable[[], AsyncGenerator[T]], is_last: Callable[[T], bool], patience: float
) -> AsyncGenerator[T]:
    """What ``once()`` yields, opened again whenever it breaks or ends, until an item that ``is_last``.

    Unreachable after ``patience`` seconds without an item.
    """
    loop = asyncio.get_running_loop()
    alive, delay = loop.time(), FIRST
    while True:
        try:
            async with aclosing(once()) as items:
                async for item in items:
                    alive, delay = loop.time(), FIRST
                    yield item
                    if is_last(item):
                        return
        except Unreachable:
            if loop.time() - alive > patience:
                raise
        except ClientError as error:
            if error.status not in (502, 503, 504) or loop.time() - alive > patience:
                raise
        await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 - jitter, no secret
        delay = min(delay * 2, LONGEST)
