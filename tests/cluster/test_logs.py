"""What steps print in a pod arrives as printed: every byte, once, in order, whatever it is, however the step ends."""

from __future__ import annotations

import hashlib
import re

import aiohttp
import pytest

from agent.executors.kubernetes.client import send
from tests.agent.plans import plan, step
from tests.cluster.conftest import PYTHON, ClusterBench, bench_on
from tests.cluster.test_steps import ends, shell
from tests.fakes.control import Held, MemoryControl
from workflow.identifiers import SECOND, StepRef
from workflow.journal import Output, StepFinished, StepStarted, Stop, Stream
from workflow.plan.nodes import Container, Run, Step
from workflow.states import ExecutionState, StepStatus


def program(code: str, **more: object) -> Run:
    """A program in Python, in a container."""
    return Run(Container(image=PYTHON, command=("python3", "-uc", code), **more))  # type: ignore[arg-type]


def numbered(count: int, width: int = 0) -> bytes:
    """Lines 0, 1, 2, ... as ``LINES`` prints them."""
    return b"".join(f"{number:09d}{'x' * width}\n".encode() for number in range(count))


AT_ONCE = """
import os
lines = [b"%09d\\n" % n for n in range(10000)]
whole = b"".join(lines)
while whole: whole = whole[os.write(1, whole):]
"""
ONE_BY_ONE = """
import os
for n in range(10000): os.write(1, b"%09d\\n" % n)
os._exit(0)
"""


@pytest.mark.parametrize("code", [AT_ONCE, ONE_BY_ONE], ids=["one write", "a write a line"])
async def test_ten_thousand_lines_of_a_moment(bench: ClusterBench, code: str) -> None:
    held = await bench.run(plan(program(code)))
    assert held.output() == numbered(10_000)


async def test_two_megabytes_a_second_for_half_a_minute(bench: ClusterBench) -> None:
    code = """
import os, time
began, sent, n, pad = time.monotonic(), 0, 0, b"x" * 190
while (now := time.monotonic()) - began < 30:
    if sent > 2e6 * (now - began): time.sleep(0.002); continue
    sent += os.write(1, b"%09d%s\\n" % (n, pad)); n += 1
open("/data/lines", "w").write(str(n))
"""
    held = await bench.run(plan(program(code), shell("cat /data/lines")), 120)
    lines = int(held.output("2"))
    assert lines * 200 > 40_000_000
    assert held.output("1") == numbered(lines, 190)


async def test_a_line_of_64_mebibytes(bench: ClusterBench) -> None:
    code = """
import hashlib, os, random
data = random.Random(5).randbytes(1 << 20).replace(b"\\n", b"?")
seen = hashlib.sha256()
for n in range(64):
    piece = data[n:] + data[:n]; seen.update(piece)
    while piece: piece = piece[os.write(1, piece):]
os.write(2, seen.hexdigest().encode())
"""
    held = await bench.run(plan(program(code)), 120)
    whole = held.output()
    assert len(whole) == 64 << 20 and b"\n" not in whole
    assert hashlib.sha256(whole).hexdigest().encode() == held.output("", Stream.STDERR)


async def test_every_byte_there_is(bench: ClusterBench) -> None:
    code = """
import os
for n in range(256): os.write(1, bytes([n])); os.write(2, bytes([255 - n, n]))
os.write(1, bytes(range(256)) * 1000 + b"\\xff\\xfe\\xc0\\x80\\0\\0" * 5)
"""
    held = await bench.run(plan(program(code)))
    every = bytes(range(256))
    assert held.output() == every + every * 1000 + b"\xff\xfe\xc0\x80\0\0" * 5
    assert held.output("", Stream.STDERR) == bytes(byte for n in range(256) for byte in (255 - n, n))


async def test_the_order_of_both_streams_is_that_of_the_writes(bench: ClusterBench) -> None:
    code = """
import os
for n in range(3000): os.write(1 + n % 3 // 2, b"%d\\n" % n)
"""
    held = await bench.run(plan(program(code)))
    printed = b"".join(e.data for r in held.records if isinstance(e := r.entry, Output))
    assert printed.split() == [str(n).encode() for n in range(3000)]


COUNTING = """
import os, sys, time
n, count = 0, os.open("/data/count", os.O_RDWR | os.O_CREAT, 0o666)
while True:
    os.write(1, b"%09d\\n" % n); n += 1
    os.pwrite(count, b"%d" % n, 0)
    if sys.argv[1:] and n == 5000: hungry = b"x" * 10**9
"""


def whole_up_to_the_kill(held: Held) -> None:
    """Every line that the counter counted, and at most what was being written beyond."""
    lines = int(held.output("2"))
    printed = held.output("1")
    assert lines > 1000
    assert printed.startswith(numbered(lines)) and len(printed) <= (lines + 1) * 10


async def test_all_that_was_written_before_a_timeout(bench: ClusterBench) -> None:
    counted = Step(StepRef("2"), shell("cat /data/count"), condition="always")
    held = await bench.run(plan(step(1, program(COUNTING), timeout=3 * SECOND), counted))
    assert ends(held)["1"].status is StepStatus.TIMEOUT
    whole_up_to_the_kill(held)


async def test_all_that_was_written_before_an_oom_kill(bench: ClusterBench) -> None:
    limited = Container(
        image=PYTHON,
        command=("python3", "-uc", COUNTING, "hungry"),
        resources={"limits": {"memory": "50Mi"}},
    )
    counted = Step(StepRef("2"), shell("cat /data/count"), condition="always")
    held = await bench.run(plan(Run(limited), counted))
    assert "OOMKilled" in ends(held)["1"].reason
    assert held.output("1") == numbered(5000)


async def test_all_that_was_written_before_a_cancel(bench: ClusterBench) -> None:
    """Here nobody counts: what was seen before the cancel is there, and nothing is missing in between."""
    attempt, held = await bench.submit(plan(program(COUNTING)))
    await bench.control.until(lambda: len(held.output()) > 100_000, 40)
    bench.control.tell(attempt, Stop(ExecutionState.CANCELED, "enough"))
    await bench.control.until(lambda: held.finished is not None)
    lines = held.output().split(b"\n")
    assert b"\n".join(lines[:-1]) + b"\n" == numbered(len(lines) - 1) and lines[-1] == b""


async def test_a_background_process_neither_holds_its_step_nor_speaks_in_the_next(bench: ClusterBench) -> None:
    held = await bench.run(
        plan(
            shell("(while :; do echo behind; sleep 0.01; done) & echo first"),
            shell("sleep 0.3; echo second"),
            shell("(sleep 600; echo late) & echo third"),
        )
    )
    assert held.output("1").replace(b"behind\n", b"") == b"first\n"
    assert held.output("2") == b"second\n" and held.output("3") == b"third\n"
    began, ended = moments(held, "3")
    assert (ended - began) / SECOND < 15


def moments(held: Held, ref: str) -> tuple[int, int]:
    """When a step began and ended."""
    began = next(e.at for r in held.records if isinstance(e := r.entry, StepStarted) and e.ref == ref)
    return began, next(e.at for r in held.records if isinstance(e := r.entry, StepFinished) and e.ref == ref)


async def test_an_absent_reader_delays_and_loses_nothing(kubeconfig: str, namespace: str) -> None:
    """The agent goes away while the step prints on, and another one comes."""
    control, lines = MemoryControl(), 1_000_000
    code = f"""
import os
for n in range(0, {lines}, 1000): os.write(1, b"".join(b"%09d%s\\n" % (k, b"x" * 40) for k in range(n, n + 1000)))
"""
    async with bench_on(kubeconfig, namespace, control) as first:
        _, held = await first.submit(plan(program(code)))
        await control.until(lambda: len(held.output()) > 1_000_000, 60)
    seen = len(held.output())
    async with bench_on(kubeconfig, namespace, control):
        await control.until(lambda: held.finished is not None, 120)
    assert seen < lines * 50
    assert held.output() == numbered(lines, 40)


async def test_kubectl_logs_shows_what_a_person_expects(bench: ClusterBench) -> None:
    attempt, held = await bench.submit(
        plan(shell("echo one; echo two >&2"), shell("echo three; exit 3"), shell("echo"))
    )
    await bench.control.until(lambda: held.finished is not None, 40)
    log = await printed_by_the_conductor(bench, f"muster-{attempt.execution}-1")
    assert re.search(rb"step 1\n.*one\n.*two\n.*step 1 passed\n.*step 2\n.*three\n.*step 2 failed", log, re.DOTALL)


async def printed_by_the_conductor(bench: ClusterBench, pod: str) -> bytes:
    """As ``kubectl logs`` shows it."""
    path = f"{bench.base}/pods/{pod}/log?container=conductor"
    answer = await send(bench.calls.client, "GET", path, {}, None, aiohttp.ClientTimeout(30))
    return await answer.read()
