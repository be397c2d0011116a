"""An agent as a program of its own, to be killed: ``python -m tests.agent.program STATE LEDGER SCRIPT``.

Its control plane is in memory and keeps its journals in the ledger, so that what was acknowledged outlives it. It
prints a line for each batch of records that became durable, and ``finished`` at the end.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agent.executors.process.executor import ProcessExecutor
from agent.relay import Relay, RelayOptions
from tests.agent.conftest import options
from tests.agent.plans import assign, attempt, plan, shell
from tests.fakes.control import MemoryControl


async def main(state: Path, ledger: Path, script: str) -> None:
    """Run until the one execution is finished."""
    work = assign(plan(shell(script)), attempt(name="one"))
    control = MemoryControl(ledger=ledger)
    held = control.expect(work.bundle.attempt)
    executor = ProcessExecutor(options(state))
    relay = Relay(control, executor, RelayOptions(5, "test"))
    known = {found.attempt for found in await executor.held()}
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(relay.run())
        await control.until(lambda: bool(control.hellos))
        if work.bundle.attempt not in known:
            control.say(work)
        seen = held.acknowledged
        while held.finished is None:
            await control.until(lambda: held.acknowledged > seen, 60)  # noqa: B023 - asked before it changes
            seen = held.acknowledged
            sys.stdout.write(f"{seen}\n")
            sys.stdout.flush()
        running.cancel()
    for found in await executor.held():
        await executor.remove(found.attempt)
    await executor.close()
    sys.stdout.write("finished\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
