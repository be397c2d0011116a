"""Whether a service that is a process of this machine answers: its readiness probe, as a kubelet would try it.

Called by the executor. ``httpGet``, ``tcpSocket`` and ``grpc`` (its port) are tried on the loopback address. ``exec``
is tried by the service's own conductor (agent.conductor.operations.probing), which leaves a mark where it holds.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"
"""Where services that are processes of this machine are reached."""
_FIRST: Final = 0.05  # seconds; tries begin quickly and slow down to the probe's own period
_OFTEN: Final = 0.2
_LONGEST: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe; times in seconds. ``attempt`` tries once and says whether the service answered."""

    attempt: Callable[[], Awaitable[bool]]
    delay: float
    period: float
    timeout: float
    successes: int


async def ready(text: str, alive: Callable[[], bool], mark: Path) -> bool:
    """Try the probe of this JSON until it holds; False where ``alive`` ceased to hold first. ``mark`` appears where an
    ``exec`` probe holds."""
    said = json.loads(text)
    probe = _marked(mark) if "exec" in said else _probe(said)
    if probe is None:
        return True
    await asyncio.sleep(probe.delay)
    wait, held = _FIRST, 0
    while alive():
        held = held + 1 if await _tried(probe) else 0
        if held >= probe.successes:
            return True
        await asyncio.sleep(wait)
        wait = min(wait * 2, probe.period)
    return False


def _marked(mark: Path) -> Probe:
    """The mark that another leaves, looked for often: it has waited as the probe says."""

    async def attempt() -> bool:
        return mark.exists()  # noqa: ASYNC240 - a name in a local folder

    return Probe(attempt, delay=0, period=_OFTEN, timeout=1, successes=1)


async def _tried(probe: Probe) -> bool:
    try:
        async with asyncio.timeout(probe.timeout):
            return await probe.attempt()
    except (TimeoutError, OSError, ssl.SSLError):
        return False


def _probe(said: Mapping[str, Any]) -> Probe | None:
    attempt = _attempt(said)
    if attempt is None:
        return None
    return Probe(
        attempt,
        delay=_seconds(said, "initialDelaySeconds", 0),
        period=max(_seconds(said, "periodSeconds", 10), _FIRST),
        timeout=max(_seconds(said, "timeoutSeconds", 1), 0.1),
        successes=max(int(_seconds(said, "successThreshold", 1)), 1),
    )


def _attempt(said: Mapping[str, Any]) -> Callable[[], Awaitable[bool]] | None:
    match said:
        case {"httpGet": {"port": port, **more}}:
            number = _port(port)
            path, secure = "/" + str(more.get("path") or "").lstrip("/"), str(more.get("scheme")).upper() == "HTTPS"
            return partial(_http, number, path, secure) if number else None
        case {"tcpSocket": {"port": port}} | {"grpc": {"port": port}}:
            number = _port(port)
            return partial(_connects, number) if number else None
        case _:
            return None


async def _connects(port: int) -> bool:
    _, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.close()
    return True


async def _http(port: int, path: str, secure: bool) -> bool:
    """Whether the answer's status is 200 to 399. Certificates are not looked at, as a kubelet does not."""
    context = ssl._create_unverified_context() if secure else None  # noqa: S323
    reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=context, limit=4096)
    try:
        target = "".join(letter for letter in path if letter.isprintable() and letter != " ")
        writer.write(f"GET {target} HTTP/1.0\r\nHost: {LOOPBACK}:{port}\r\nConnection: close\r\n\r\n".encode())
        status = (await reader.readline()).split()
    except ValueError:  # a first line without an end
        return False
    finally:
        writer.close()
    return len(status) > 1 and status[0].startswith(b"HTTP/") and b"200" <= status[1] < b"400"


def _port(value: object) -> int:
    """The port's number; 0 where it is none (a name, a template)."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and int(text[:6]) < 65536 else 0


def _seconds(said: Mapping[str, Any], field: str, default: float) -> float:
    value = said.get(field)
    return min(max(float(value), 0), _LONGEST) if isinstance(value, int | float) else default
