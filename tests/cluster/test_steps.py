"""Steps in real containers, from an assignment to a durable journal."""

from __future__ import annotations

import hashlib
from itertools import pairwise

from tests.agent.plans import plan, step
from tests.agent.test_steps import quiet
from tests.cluster.conftest import BUSYBOX, PYTHON, STARTED, ClusterBench
from tests.fakes.control import Held
from workflow.identifiers import SECOND, StepRef
from workflow.journal import Output, Pause, Resume, StepFinished, StepOutput, StepPaused, StepStarted, Stop, Stream
from workflow.plan.nodes import Container, EnvVar, File, Json, Plan, Retry, Run, Step, WriteFiles
from workflow.states import ExecutionState, StepStatus

NO_SHELL = "registry.k8s.io/pause:3.10"


def shell(script: str, image: str = BUSYBOX, **more: object) -> Run:
    """A script in a container."""
    return Run(Container(image=image, **more), script)  # type: ignore[arg-type]


def ends(held: Held) -> dict[str, StepFinished]:
    """How each step ended."""
    return {str(e.ref): e for r in held.records if isinstance(e := r.entry, StepFinished)}


async def test_a_step_in_a_pod(bench: ClusterBench) -> None:
    held = await bench.run(plan(shell("echo hello; id -u; pwd; exit 0")))
    assert held.finished is not None and held.finished.state is ExecutionState.PASSED
    assert held.output() == b"hello\n1001\n/\n"


async def test_twenty_steps_follow_one_another_at_once(bench: ClusterBench) -> None:
    held = await bench.run(plan(*[shell(f"echo {number}") for number in range(20)]))
    assert held.output() == b"".join(f"{number}\n".encode() for number in range(20))
    moments = [r.entry.at for r in held.records if isinstance(r.entry, StepStarted)]
    gaps = sorted((later - earlier) / SECOND for earlier, later in pairwise(moments))
    assert gaps[0] < 0.05  # the least: a busy machine delays some, a container started for each would delay all
    assert gaps[len(gaps) // 2] < 0.5


async def test_images_commands_directories_and_outputs(bench: ClusterBench) -> None:
    script = "import os, sys; print(sys.version_info[:2], os.getcwd(), os.environ['A'])"
    held = await bench.run(
        plan(
            shell("echo 41 > /data/number; echo 42 > /testkube/outputs/answer"),
            Run(
                Container(
                    image=PYTHON,
                    command=("python3",),
                    args=("-c", script),
                    working_dir="deep/er",
                    env=(EnvVar("A", 'it\'s $HOME "quoted"\nand long'),),
                )
            ),
            shell("cat /data/number; echo {{ step.step_1.outputs.answer }}"),
            Run(Container(image=NO_SHELL, command=("/pause", "-v"))),
            Run(Container(image=BUSYBOX, command=("no-such-command",))),
        )
    )
    assert b'(3, 11) /deep/er it\'s $HOME "quoted"\nand long\n' in held.output("2") or b"cannot be entered" in (
        held.output("2", Stream.STDERR)
    )
    assert {e.key: e.value for r in held.records if isinstance(e := r.entry, StepOutput)} == {"answer": "42"}


async def test_both_streams_arrive_with_every_byte(bench: ClusterBench) -> None:
    script = (
        "import sys, hashlib, random; random.seed(7); d = random.randbytes(8_000_000); sys.stdout.buffer.write(d); "
        "sys.stderr.write(hashlib.sha256(d).hexdigest())"
    )
    held = await bench.run(plan(Run(Container(image=PYTHON, command=("python3", "-c", script)))))
    whole = held.output("1")
    assert len(whole) == 8_000_000
    assert held.output("1", Stream.STDERR).decode() == hashlib.sha256(whole).hexdigest()


async def test_both_streams_keep_their_order(bench: ClusterBench) -> None:
    lines = 100
    held = await bench.run(
        plan(shell(f'for i in $(seq {lines}); do echo "out $i"; echo "err $i" >&2; echo "and $i"; done'))
    )
    printed = [e for r in held.records if isinstance(e := r.entry, Output)]
    whole = b"".join(entry.data for entry in printed).decode().splitlines()
    assert whole == [line for i in range(1, lines + 1) for line in (f"out {i}", f"err {i}", f"and {i}")]


async def test_a_timeout_kills_everything_the_step_started(bench: ClusterBench) -> None:
    where = "readlink /proc/self/ns/pid"
    script = f"{where}; sleep 1000 & (trap '' TERM; sleep 2000) & sleep 3000"
    first = step(1, shell(script), timeout=1 * SECOND, optional=True)
    second = step(2, shell(f"{where}; ps | grep -c 'sleep [123]000' || true"))
    held = await bench.run(plan(first, second))
    assert ends(held)["1"].status is StepStatus.TIMEOUT
    assert held.output("1") and held.output("2") == held.output("1") + b"0\n"


async def test_what_a_step_leaves_running_is_ended(bench: ClusterBench) -> None:
    held = await bench.run(plan(shell("sleep 1000 & echo started"), shell("ps | grep -c 'slee[p] 1000' || true")))
    assert held.output("2") == b"0\n"


async def test_a_step_that_kills_all_it_can_harms_only_itself(bench: ClusterBench) -> None:
    held = await bench.run(plan(step(1, shell("kill -9 -1"), optional=True), shell("sleep 0.1; echo still here")))
    assert held.output("2") == b"still here\n"


async def test_cancel_and_pause(bench: ClusterBench) -> None:
    attempt, held = await bench.submit(plan(shell("echo up; while :; do sleep 0.05; echo tick; done")))
    await bench.control.until(lambda: b"tick" in held.output(), STARTED)
    bench.control.tell(attempt, Pause())
    await bench.control.until(lambda: any(isinstance(r.entry, StepPaused) for r in held.records), STARTED)
    before = len(await quiet(bench.control, held))
    bench.control.tell(attempt, Resume())
    await bench.control.until(lambda: len(held.output()) > before + 50, STARTED)
    bench.control.tell(attempt, Stop(ExecutionState.CANCELED, "enough"))
    await bench.control.until(lambda: held.finished is not None, STARTED)
    assert held.finished is not None and held.finished.state is ExecutionState.CANCELED


async def test_values_of_the_cluster(bench: ClusterBench) -> None:
    head = {"apiVersion": "v1", "metadata": {"name": "pass"}}
    await bench.calls.create(f"{bench.base}/secrets", {**head, "kind": "Secret", "stringData": {"word": "sesame!"}})
    await bench.calls.create(f"{bench.base}/configmaps", {**head, "kind": "ConfigMap", "data": {"COLOUR": "blue"}})

    def key(kind: str, name: str, key: str) -> dict[str, Json]:
        return {kind: {"name": name, "key": key}}

    env = (
        EnvVar("WORD", value_from=key("secretKeyRef", "pass", "word")),
        EnvVar("NONE", value_from=key("secretKeyRef", "nothing", "word")),
        EnvVar("NOKEY", value_from=key("secretKeyRef", "pass", "other")),
        EnvVar("POD", value_from={"fieldRef": {"fieldPath": "metadata.name"}}),
        EnvVar("LIMIT", value_from={"resourceFieldRef": {"resource": "limits.memory"}}),
    )
    run = shell(
        'echo "$WORD|$NONE|$NOKEY|$COLOUR|$POD|$LIMIT"; printf %s "$WORD" | wc -c',
        env=env,
        env_from=({"configMapRef": {"name": "pass"}}, {"secretRef": {"name": "gone"}}),
        resources={"limits": {"memory": "64Mi", "cpu": "200m"}},
    )
    attempt, held = await bench.submit(plan(run))
    await bench.control.until(lambda: held.finished is not None, STARTED)
    pod = f"muster-{attempt.execution}-1"
    assert held.output() == f"*****|||blue|{pod}|67108864\n7\n".encode()


async def test_files_are_where_they_should_be(bench: ClusterBench) -> None:
    files = (File("/etc/app.conf", "port = 1\n"), File("/data/in/a.txt", "a"), File("rel.txt", "r"))
    held = await bench.run(
        plan(WriteFiles(files), shell("cat /etc/app.conf /data/in/a.txt /data/rel.txt; ls /etc/passwd"))
    )
    assert held.output() == b"port = 1\nar/etc/passwd\n"


async def test_a_volume_that_nobody_defines_fails_its_step_alone(bench: ClusterBench) -> None:
    mounting = shell("ls /x", volume_mounts=({"name": "none", "mountPath": "/x"},))
    always = Step(StepRef("2"), shell("echo on"), condition="always")
    held = await bench.run(plan(mounting, always))
    assert ends(held)["1"].status is StepStatus.FAILED
    assert "volume 'none'" in ends(held)["1"].reason
    assert held.output("2") == b"on\n"
    assert held.finished is not None and held.finished.state is ExecutionState.FAILED


async def test_a_retry_runs_again(bench: ClusterBench) -> None:
    once = step(1, shell("[ -e /data/x ] && echo done && exit 0; touch /data/x; exit 1"), retry=Retry(2))
    held = await bench.run(plan(once))
    assert held.output() == b"done\n" and held.finished is not None
    assert held.finished.state is ExecutionState.PASSED


async def test_pod_fields_pass_through(bench: ClusterBench) -> None:
    fields: dict[str, Json] = {
        "labels": {"team": "x"},
        "annotations": {"note": "y"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "volumes": [{"name": "extra", "emptyDir": {}}],
        "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["db.test"]}],
        "securityContext": {"fsGroup": 2000, "runAsUser": 1234},
    }
    run = shell(
        "id -u; id -G; grep db.test /etc/hosts; ls -d /x; sleep 3",
        volume_mounts=({"name": "extra", "mountPath": "/x"},),
    )
    attempt, held = await bench.submit(
        Plan("test", (Step(StepRef("1"), run),), pod=fields, active_deadline=90 * SECOND)
    )
    await bench.control.until(lambda: b"/x" in held.output(), STARTED)
    pod = await bench.calls.get(f"{bench.base}/pods/muster-{attempt.execution}-1")
    assert pod is not None
    assert pod["metadata"]["labels"]["team"] == "x" and pod["metadata"]["annotations"]["note"] == "y"
    assert pod["spec"]["activeDeadlineSeconds"] == 150
    assert {"key": "a", "operator": "Exists"} in pod["spec"]["tolerations"]
    lines = held.output().decode().split("\n")
    assert lines[0] == "1234" and "2000" in lines[1].split() and "10.1.2.3" in lines[2]
