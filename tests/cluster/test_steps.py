"""Steps in real containers, from an assignment to a durable journal."""

from __future__ import annotations

from tests.agent.plans import plan, step
from tests.cluster.conftest import BUSYBOX, PYTHON, ClusterBench
from workflow.identifiers import SECOND, StepRef
from workflow.journal import Output, StepFinished, StepStarted
from workflow.plan.nodes import Container, EnvVar, Run
from workflow.states import ExecutionState, StepStatus


def shell(script: str, image: str = BUSYBOX, **more: object) -> Run:
    """A script in a container."""
    return Run(Container(image=image, **more), script)  # type: ignore[arg-type]


async def test_a_step_in_a_pod(bench: ClusterBench) -> None:
    held = await bench.run(plan(shell("echo hello; id -u; pwd; exit 0")))
    assert held.finished is not None and held.finished.state is ExecutionState.PASSED
    assert held.output() == b"hello\n1001\n/\n"


async def test_twenty_steps_follow_one_another_at_once(bench: ClusterBench) -> None:
    held = await bench.run(plan(*[shell(f"echo {number}") for number in range(20)]))
    assert held.output() == b"".join(f"{number}\n".encode() for number in range(20))
    moments = [r.entry.at for r in held.records if isinstance(r.entry, StepStarted)]
    ended = [r.entry.at for r in held.records if isinstance(r.entry, StepFinished)]
    took = (max(ended) - min(moments)) / SECOND
    print(f"20 steps: {took * 1000:.0f} ms")
    assert took < 1
