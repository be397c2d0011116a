"""Artifacts of pods: what is stored, what is told as left out; neither size, number nor an agent's end matters."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile

from tests.agent.plans import plan, step
from tests.cluster.conftest import STARTED, ClusterBench, bench_on
from tests.cluster.test_logs import program
from tests.cluster.test_steps import ends, shell
from tests.fakes.control import Held, MemoryControl
from workflow.identifiers import SECOND, StepRef
from workflow.journal import ArtifactStored, Stop, Stream
from workflow.plan.nodes import Container, Run, SaveArtifacts, Step
from workflow.states import ExecutionState, StepStatus


def stored(bench: ClusterBench) -> dict[str, bytes]:
    """Name -> content."""
    return {offer.name: data for offer, data in bench.control.stored}


def words(held: Held, ref: str = "") -> str:
    """Muster's own."""
    return held.output(ref, Stream.SYSTEM).decode()


TREE = """
import os
os.makedirs("/data/r/sub/deep"); os.chdir("/data/r")
for name in ("a.txt", "b.log", "sub/c.txt", "sub/deep/d.txt", "sub/deep/skip.txt", ".hidden", "sp ace \\u00fc"):
    open(name, "w").write(name)
open(b"new\\nline", "w").write("x"); open(b"no\\xffutf8", "w").write("x")
os.symlink("/etc/passwd", "out"); os.symlink("a.txt", "in"); os.symlink("gone", "nowhere"); os.symlink(".", "loop")
os.mkfifo("fifo"); os.link("a.txt", "hard"); os.makedirs("empty"); open("nothing", "w")
"""


async def test_globs_and_what_is_no_file(bench: ClusterBench) -> None:
    save = SaveArtifacts(("r/**", "!**/skip.txt", "!r/*.log"))
    held = await bench.run(plan(program(TREE), save))
    names = {"a.txt", "sub/c.txt", "sub/deep/d.txt", ".hidden", "sp ace ü", "in", "hard", "nothing"}
    assert {name.removeprefix("r/") for name in stored(bench)} == names, words(held)
    assert next(data for name, data in stored(bench).items() if name.endswith("in")) == b"a.txt"
    for reason in ("control characters", "UTF-8", "regular file", "1 more left out"):
        assert reason in words(held), words(held)
    assert ends(held)["2"].status is StepStatus.PASSED


async def test_one_archive_of_many_files(bench: ClusterBench) -> None:
    make = "mkdir /data/m; cd /data/m; for i in $(seq 300); do echo $i > f$i; done; mkfifo p; ln -s /etc/passwd out"
    await bench.run(plan(shell(make), SaveArtifacts(("m/**",), compress="all.tar.gz")))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(stored(bench)["all.tar.gz"]))) as archive:
        found = {entry.name: entry for entry in archive}
    assert len([name for name in found if name.startswith(("m/f", "f"))]) == 300
    assert not any(entry.isfifo() or entry.islnk() for entry in found.values())


async def test_ten_thousand_files(bench: ClusterBench) -> None:
    code = """
import os
for n in range(10000):
    if n % 100 == 0: os.makedirs(f"/data/n/{n // 100}")
    open(f"/data/n/{n // 100}/{n}", "w").write(str(n))
"""
    held = await bench.run(plan(program(code), SaveArtifacts(("n/**",))), 300)
    assert len(stored(bench)) == 10_000 and "10000 files stored" in words(held)
    assert all(data.decode() == name.rpartition("/")[2] for name, data in stored(bench).items())


async def test_a_file_that_changes_while_it_is_stored(bench: ClusterBench) -> None:
    """What writes on is ended with its step; a volume that others write to is not: here, the conductor's neighbour."""
    grow = "(while :; do echo more >> /data/g; done) & sleep 0.5; echo on"
    held = await bench.run(plan(shell(grow), SaveArtifacts(("g",))))
    (data,) = stored(bench).values()
    assert set(data.split()) == {b"more"} and ends(held)["2"].status is StepStatus.PASSED


async def test_a_large_one_goes_on_where_an_agent_left_it(kubeconfig: str, namespace: str) -> None:
    control = MemoryControl()
    control.break_uploads_at = 120_000_000
    make = "import os; f = open('/data/big', 'wb'); [f.write(os.urandom(1 << 20)) for _ in range(300)]"
    digest = program("import hashlib; print(hashlib.sha256(open('/data/big', 'rb').read()).hexdigest())")
    async with bench_on(kubeconfig, namespace, control) as first:
        _, held = await first.submit(plan(program(make), digest, SaveArtifacts(("big",))))
        await control.until(lambda: sum(map(len, control._partial.values())) > 40_000_000, STARTED)
    partial = sum(map(len, control._partial.values()))
    async with bench_on(kubeconfig, namespace, control):
        await control.until(lambda: held.finished is not None, STARTED)
    ((offer, data),) = control.stored
    assert 40_000_000 < partial < offer.size == 300 << 20
    assert hashlib.sha256(data).hexdigest().encode() == held.output("2").strip()


SAVED = Step(StepRef("2"), SaveArtifacts(("kept*",)), condition="always")


async def test_after_an_oom_kill(bench: ClusterBench) -> None:
    code = "open('/data/kept', 'w').write('k' * 1000); a = 'x' * 10**9"
    hungry = Run(Container(image="python:3.11-slim", resources={"limits": {"memory": "50Mi"}}), f'python3 -c "{code}"')
    held = await bench.run(plan(hungry, SAVED))
    assert stored(bench) == {"kept": b"k" * 1000} and "OOMKilled" in ends(held)["1"].reason


async def test_after_a_timeout(bench: ClusterBench) -> None:
    held = await bench.run(plan(step(1, shell("echo k > /data/kept; sleep 1000"), timeout=2 * SECOND), SAVED))
    assert stored(bench) == {"kept": b"k\n"} and ends(held)["1"].status is StepStatus.TIMEOUT


async def test_after_a_cancel_the_run_says_what_was_not_stored(bench: ClusterBench) -> None:
    attempt, held = await bench.submit(plan(shell("echo k > /data/kept; echo up; sleep 1000"), SAVED))
    await bench.control.until(lambda: b"up" in held.output(), STARTED)
    bench.control.tell(attempt, Stop(ExecutionState.CANCELED, "enough"))
    await bench.control.until(lambda: held.finished is not None, 40)
    assert held.finished is not None and held.finished.state is ExecutionState.CANCELED
    told = ends(held)["2"]
    has = [r.entry for r in held.records if isinstance(r.entry, ArtifactStored)]
    assert has or told.status in {StepStatus.SKIPPED, StepStatus.CANCELED, StepStatus.ABORTED}, told
