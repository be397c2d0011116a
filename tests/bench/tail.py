"""How late a line reaches who watches: steps in three environments print the time, a watcher compares it with his."""

from __future__ import annotations

import time
from contextlib import aclosing
from pathlib import Path

from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from tests.bench.table import Row, alone, p99, spread
from workflow.journal import Stream
from workflow.views import LogPrinted, NewRun, RunEnded

LINES = 30
"""Of each of three steps, one every half second."""
WORKFLOW = f"""\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {{name: tail}}
spec:
  steps:
    - name: Print the time
      shell: |
        python3 -uc 'import time
        for _ in range({LINES}): print(time.time()); time.sleep(0.5)'
"""
GOAL = 0.3


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    agents = tuple(LocalAgent(name, {"environment": name}) for name in ("dev", "staging", "prod"))
    system = await LocalSystem.start(LocalState(folder / "state"), agents)
    try:
        async with Muster(system.endpoint.url, system.endpoint.token) as client:
            target = {"replicate": ["environment"]}
            run = await client.submit(NewRun(document=WORKFLOW, target=target))
            late = await delays(client, run.id)
    finally:
        await system.stop()
    assert len(late) == 3 * LINES, len(late)
    worst = p99(late)
    return [Row("a line until a watcher has it", spread(late), f"p99 <= {GOAL * 1e3:.0f} ms", worst <= GOAL)]


async def delays(client: Muster, run: str) -> list[float]:
    """How late each line of a run was that prints the time."""
    found: list[float] = []
    async with aclosing(client.watch(run)) as events:
        async for event in events:
            match event:
                case LogPrinted(log=log) if log.stream is Stream.STDOUT:
                    heard = time.time()
                    found += [heard - float(line) for line in log.text.split()]
                case RunEnded():
                    break
                case _:
                    continue
    return found


if __name__ == "__main__":
    alone("live tail", measure)
