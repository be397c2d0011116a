"""An agent for tests: real conductors and processes, the control plane in memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agent.conductor.workspace import Isolation
from agent.executors.process.executor import Options, ProcessExecutor
from agent.relay import Relay, RelayOptions
from tests.agent.plans import assign
from tests.busybox import BUSYBOX
from tests.fakes.control import Held, MemoryControl
from workflow.identifiers import Attempt
from workflow.plan.nodes import Plan
from workflow.session import Assign, LinkDown


def options(state: Path, isolation: Isolation = Isolation.NAMESPACES) -> Options:
    """The options of a test's executor."""
    env = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), "CI": "1"}
    shells = (("busybox", "sh"),) if BUSYBOX else (("bash",),)
    asked = Isolation.PATHS if isolation is Isolation.PATHS else None
    return Options(state, env, shells[0], isolation=asked, version="test")


@dataclass
class Bench:
    """An agent at work."""

    control: MemoryControl
    executor: ProcessExecutor
    relay: Relay
    running: asyncio.Task[None] | None = None
    seen: list[Attempt] = field(default_factory=list)

    async def start(self) -> None:
        """Run the relay, and wait for its session."""
        self.running = asyncio.get_running_loop().create_task(self.relay.run())
        await self.control.until(lambda: bool(self.control.hellos))

    async def submit(self, work: Plan | Assign, **more: object) -> Held:
        """Assign it."""
        assigned = work if isinstance(work, Assign) else assign(work, **more)  # type: ignore[arg-type]
        held = self.control.expect(assigned.bundle.attempt)
        self.seen.append(assigned.bundle.attempt)
        self.control.say(assigned)
        return held

    async def run(self, work: Plan | Assign, seconds: float = 30, **more: object) -> Held:
        """Assign it, and wait for its end."""
        held = await self.submit(work, **more)
        await self.control.until(lambda: held.finished is not None, seconds)
        return held

    async def stop(self) -> None:
        """End the relay; conductors go on."""
        if self.running is not None:
            self.running.cancel()
            with suppress(asyncio.CancelledError, LinkDown):
                await self.running
        await self.executor.close()


MakeBench = Callable[..., Awaitable[Bench]]


@pytest.fixture(params=list(Isolation), ids=lambda isolation: isolation.value)
def isolation(request: pytest.FixtureRequest) -> Isolation:
    """Each way in which steps are kept apart."""
    found: Isolation = request.param
    return found


@asynccontextmanager
async def bench_in(
    state: Path,
    isolation: Isolation = Isolation.NAMESPACES,
    *,
    slots: int = 200,
    sweep: float = 40.0,
    values: Mapping[str, str] | None = None,
    control: MemoryControl | None = None,
    **more: object,
) -> AsyncIterator[Bench]:
    """A bench that leaves nothing behind."""
    control = control or MemoryControl()
    for name, value in (values or {}).items():
        path = state / "references" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    executor = ProcessExecutor(replace(options(state, isolation), references=state / "references", **more))  # type: ignore[arg-type]
    bench = Bench(control, executor, Relay(control, executor, RelayOptions(slots, "test", sweep)))
    try:
        await bench.start()
        yield bench
    finally:
        for found in await executor.held():
            await executor.remove(found.attempt)
        await bench.stop()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """With namespaces, where there are any."""
    async with bench_in(tmp_path) as made:
        yield made


@pytest.fixture
async def either(tmp_path: Path, isolation: Isolation) -> AsyncIterator[Bench]:
    """Each way in turn."""
    async with bench_in(tmp_path, isolation) as made:
        yield made
