"""What the agent asks of the API server for one execution, from its assignment until nothing of it is left.

The executor and the relay in this program, a control plane in memory: requests are counted where they are made.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from agent.executors.kubernetes.naming import AGENT
from tests.agent.plans import plan
from tests.bench.cluster.place import STEP_IMAGE, Cluster, cluster, kubeconfig, tools
from tests.bench.table import Row, alone
from tests.cluster.conftest import bench_on
from workflow.plan.nodes import Container, Run

EXECUTIONS = 5
BARE = Counter({"POST": 1, "DELETE": 1})
"""Of a pod that is created, watched on the one watch that is there anyway, and deleted."""
GOAL = 10


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    del folder
    async with cluster() as made, bench_on(kubeconfig(), made.namespace, tools=tools()[0]) as bench:
        before = Counter(bench.calls.count)
        for _ in range(EXECUTIONS):
            held = await bench.run(plan(Run(Container(image=STEP_IMAGE), "echo hello")), 120)
            assert held.output() == b"hello\n"
            await made.emptied()
            await _nothing_left(made)
        asked = Counter(bench.calls.count) - before
    return _rows(asked)


async def _nothing_left(made: Cluster) -> None:
    path = f"/api/v1/namespaces/{made.namespace}/secrets"
    async with asyncio.timeout(60):
        while ((await made.calls.get(path, {"labelSelector": AGENT})) or {}).get("items"):
            await asyncio.sleep(0.2)


def _rows(asked: Counter[str]) -> list[Row]:
    each = {verb: count / EXECUTIONS for verb, count in sorted(asked.items())}
    more = sum(each.values()) - BARE.total()
    words = ", ".join(f"{verb} {count:g}" for verb, count in each.items())
    return [
        Row("an execution", words),
        Row("beyond create, watch and delete", f"{more:g}", f"<= {GOAL}", more <= GOAL),
    ]


if __name__ == "__main__":
    alone("requests", measure)
