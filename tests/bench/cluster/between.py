"""Twenty one-line steps in one pod: from the start of one to the start of the next, the step itself included. In turns
with a pod that has the same steps as init containers, which is how they would run without a conductor.
"""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

from agent.executors.kubernetes.calls import Object
from tests.bench.cluster.bare import until, watched
from tests.bench.cluster.place import HEAD, STEP_IMAGE, Cluster, Fleet, fleet
from tests.bench.start import ended
from tests.bench.table import Row, alone, p50, spread

STEPS = 20
ROUNDS = 5
GAP, OVER = 0.010, 1.0
WORKFLOW = HEAD + "  steps:\n" + "".join(f"    - {{name: Step {n}, shell: echo {n}}}\n" for n in range(STEPS))
_TIGHT: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1001,
    "seccompProfile": {"type": "RuntimeDefault"},
}


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    each: list[float] = []
    whole: list[float] = []
    over: list[float] = []
    init: list[float] = []
    async with fleet(folder) as made:
        for _ in range(ROUNDS):
            spans = await _spans(made)
            each += [later[0] - earlier[0] for earlier, later in pairwise(spans)]
            whole.append(spans[-1][1] - spans[0][0])
            over.append(whole[-1] - sum(end - begin for begin, end in spans))
            init.append(await _as_init_containers(made.cluster))
    return [
        Row(f"{STEPS} steps, first start to last end", spread(whole)),
        Row("  beyond their sum", spread(over), f"p50 <= {OVER * 1e3:.0f} ms", p50(over) <= OVER),
        Row("  one start to the next, the step included", spread(each), f"p50 <= {GAP * 1e3:.0f} ms", p50(each) <= GAP),
        Row(f"the same as {STEPS} init containers", spread(init)),
        Row("  each", spread([taken / STEPS for taken in init])),
    ]


async def _spans(made: Fleet) -> list[tuple[float, float]]:
    """Start and end of each step."""
    run = await made.submit(WORKFLOW)
    await ended(made.client, run.id)
    (execution,) = (await made.client.run(run.id)).executions
    await made.cluster.emptied()
    times = [(each.started_at, each.finished_at) for each in execution.steps if each.kind == "run"]
    assert len(times) == STEPS, times
    return [(begin.timestamp(), end.timestamp()) for begin, end in times if begin and end]


async def _as_init_containers(cluster: Cluster) -> float:
    """Seconds from the moment at which the watch shows the first at work to that at which it shows the last done."""
    steps = [_container(f"step-{number}", f"echo {number}") for number in range(STEPS)]
    spec: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "initContainers": steps,
        "containers": [_container("last", "true")],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare-steps"}, "spec": spec}
    async with watched(cluster, "bare-steps") as events:
        await cluster.calls.create(cluster.pods, pod)
        await until(events, lambda seen: _began(seen) > 0)
        begin = time.perf_counter()
        await until(events, lambda seen: _done(seen) == STEPS)
        taken = time.perf_counter() - begin
    await cluster.calls.delete(f"{cluster.pods}/bare-steps", grace=1)
    await cluster.emptied()
    return taken


def _container(name: str, script: str) -> Object:
    return {"name": name, "image": STEP_IMAGE, "command": ["/bin/sh", "-c", script], "securityContext": _TIGHT}


def _began(pod: Object) -> int:
    return sum("waiting" not in each["state"] for each in _states(pod))


def _done(pod: Object) -> int:
    return sum("terminated" in each["state"] for each in _states(pod))


def _states(pod: Object) -> list[Object]:
    return list((pod.get("status") or {}).get("initContainerStatuses") or ())


if __name__ == "__main__":
    alone("between steps", measure)
