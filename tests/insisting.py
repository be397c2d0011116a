"""Asking a control plane that may be away just now. Used by the storms, which kill it at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from muster.client import Unreachable

T = TypeVar("T")


async def insisted(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer, once somebody is there. Asked maybe several times, so asking twice must do no harm."""
    while True:
        try:
            return await ask()
        except Unreachable:
            await asyncio.sleep(0.1)
