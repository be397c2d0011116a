"""Steps in containers of every kind, and steps that do their worst in them."""

from __future__ import annotations

import re

from tests.agent.plans import plan, step
from tests.cluster.conftest import ClusterBench, bench_on
from tests.cluster.test_logs import program
from tests.cluster.test_steps import NO_SHELL, ends, shell
from workflow.identifiers import SECOND, StepRef
from workflow.plan.nodes import Container, Json, Run, Step
from workflow.states import ExecutionState, StepStatus


async def test_a_read_only_root_another_user_and_a_group(bench: ClusterBench) -> None:
    tight: dict[str, Json] = {"readOnlyRootFilesystem": True, "runAsUser": 65534, "runAsGroup": 65534}
    held = await bench.run(
        plan(
            shell(
                "id -u; id -g; touch /x 2>/dev/null || echo read-only; echo a > /data/a; ls /tmp | wc -l",
                security_context=tight,
            ),
            shell("cat /data/a; echo b > /data/b && rm /data/a && echo cleared", security_context={"runAsUser": 1234}),
            Run(Container(image=NO_SHELL, command=("/pause", "-v"), security_context=tight)),
        )
    )
    assert held.output("1") == b"65534\n65534\nread-only\n0\n"
    assert held.output("2") == b"a\ncleared\n"
    assert re.match(
        rb"pause.c|/pause: No such file", held.output("3", None)
    )  # some clusters have another program there


async def test_processes_that_see_each_other(kubeconfig: str, namespace: str) -> None:
    """One process namespace for the pod: nobody's gate is the first process, and steps see the conductor."""
    async with bench_on(kubeconfig, namespace, pod={"shareProcessNamespace": True}) as bench:
        left = "import os; os.fork() or (os.setsid(), os.execlp('sleep', 'sleep', '1001'))"
        elsewhere = shell(
            "ps -o args | grep -c 'slee[p] 100' || true", resources={"limits": {"memory": "64Mi"}}
        )  # another container
        held = await bench.run(
            plan(
                shell("echo $$ > /data/pid; sleep 1002 & (trap '' TERM; sleep 1003) & echo started"),
                program(left),
                step(3, shell("sleep 1004 & setsid sleep 1005 & sleep 1006"), timeout=2 * SECOND, optional=True),
                Step(StepRef("4"), elsewhere, condition="always"),
            )
        )
        assert held.output("1") == b"started\n"
        assert ends(held)["3"].status is StepStatus.TIMEOUT
        assert held.output("4") == b"0\n"


async def test_a_step_that_kills_its_group_and_the_first_process(bench: ClusterBench) -> None:
    held = await bench.run(
        plan(
            step(1, shell("kill -9 0; echo no"), optional=True),
            step(2, shell("kill -9 1; kill -TERM 1; kill -INT 1; kill -HUP 1; echo survived"), optional=True),
            step(3, shell("kill -STOP -1; kill -9 $$"), optional=True),
            shell("echo the gate is there"),
        )
    )
    assert ends(held)["1"].status is StepStatus.FAILED and held.output("1") == b""
    assert ends(held)["2"].status is StepStatus.PASSED and held.output("2") == b"survived\n"
    assert held.output("4") == b"the gate is there\n"
    assert held.finished is not None and held.finished.state is ExecutionState.PASSED


async def test_a_thousand_children_are_ended_and_reaped(bench: ClusterBench) -> None:
    code = """
import os, time
for n in range(1000):
    if os.fork() == 0:
        if n % 2: os._exit(0)
        if os.fork() == 0: os.setsid()
        else: os._exit(0)
        time.sleep(1000)
print("forked")
"""
    count = """
import os, time
while sum(p.isdigit() for p in os.listdir('/proc')) > 12: time.sleep(0.05)  # the gate takes them as they come
print(True)
"""
    held = await bench.run(plan(program(code), program(count)), 120)
    assert held.output() == b"forked\nTrue\n"
    assert (ends(held)["1"].at - held.records[0].entry.at) / SECOND < 60


async def test_limits_are_the_containers_own(bench: ClusterBench) -> None:
    code = """
import os, resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
print(hard >= 1024, sorted(int(f) for f in os.listdir("/proc/self/fd"))[:3], os.umask(0) in {0o22, 0o2})
resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16)); resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
"""
    held = await bench.run(plan(program(code), shell("ulimit -n 20; ulimit -f 0; echo on"), shell("ulimit -n")))
    assert held.output("1").startswith(b"True [0, 1, 2] True\n")
    assert held.output("2") == b"on\n" and int(held.output("3")) >= 1024


async def test_a_step_that_closes_and_floods_what_it_is_given(bench: ClusterBench) -> None:
    """Its standard streams closed at once, descriptors it should not have tried, the gate's pipes written to."""
    code = """
import os, glob
for fd in range(3, 64):
    try: os.write(fd, b"ended 0 0 x\\n")
    except OSError: pass
for path in glob.glob("/.tktw/gates/*/*"):
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, b"ended 0 0 /.tktw/jobs/1.job\\nbegan 1 x\\n\\xff\\n")
    except OSError as e: print(type(e).__name__)
os.close(1); os.close(2)
import time; time.sleep(1); os._exit(3)
"""
    held = await bench.run(plan(step(1, program(code), optional=True), shell("echo next")))
    assert held.output("2") == b"next\n"


async def test_a_step_that_makes_its_gate_deaf_is_ended_by_its_timeout(bench: ClusterBench) -> None:
    held = await bench.run(
        plan(
            step(1, shell("kill -9 -1; echo alone; sleep 1000"), timeout=2 * SECOND, optional=True),
            step(2, shell("kill -STOP -1; echo alone; sleep 1000"), timeout=2 * SECOND, optional=True),
            Step(StepRef("3"), shell("ps -o args | grep -c 'slee[p] 1000' || true"), condition="always"),
        )
    )
    assert ends(held)["1"].status is ends(held)["2"].status is StepStatus.TIMEOUT
    assert held.output("1") == held.output("2") == b"alone\n" and held.output("3") == b"0\n"
