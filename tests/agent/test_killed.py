"""What survives: an agent killed in the middle, a conductor killed, a zygote killed, a control plane out of reach."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.executors.process.executor import ProcessExecutor
from agent.executors.process.folders import Folders, holder
from agent.relay import Relay, RelayOptions
from tests.agent.conftest import Bench, bench_in, options
from tests.agent.plans import assign, attempt, plan, shell
from tests.fakes.control import MemoryControl
from workflow.identifiers import Attempt
from workflow.journal import Stop
from workflow.session import AttemptLost, Decline, Heartbeat, Withdraw
from workflow.states import ExecutionState

ROUNDS = 5
LINES = 40_000
"""In each round; a round begins when a line comes through a pipe of its own."""
NUMBERED = f"""for round in $(seq 0 {ROUNDS - 1}); do mkfifo go$round; done; echo ready >&2; i=0
while [ $i -lt {ROUNDS * LINES} ]; do
  [ $((i % {LINES})) != 0 ] || read line < go$((i / {LINES}))
  i=$((i+1)); echo line $i
done"""


def conductor_of(bench: Bench, attempt: Attempt) -> int:
    pid = holder(Folders(bench.executor._folders.root).of(attempt))
    assert pid is not None
    return pid


async def started(state: Path, ledger: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.agent.program", str(state), str(ledger), NUMBERED),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[Path]:
    """An agent's directory; what runs there is ended with the test."""
    yield tmp_path / "state"
    executor = ProcessExecutor(options(tmp_path / "state"))
    for found in await executor.held():
        await executor.remove(found.attempt)
    await executor.close()


async def test_an_agent_killed_again_and_again_loses_and_doubles_no_line(state: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    data = state / "attempts" / "one.1" / "workspace" / "data"
    program = await started(state, ledger)
    for turn in range(ROUNDS):
        assert program.stdout is not None
        while not (data / f"go{ROUNDS - 1}").exists():
            assert await asyncio.wait_for(program.stdout.readline(), 30)
        await asyncio.to_thread((data / f"go{turn}").write_text, "on\n")
        for _ in range(turn % 2):
            assert await asyncio.wait_for(program.stdout.readline(), 30)
        program.kill()
        await program.wait()
        program = await started(state, ledger)
    said, _ = await asyncio.wait_for(program.communicate(), 60)
    assert said.endswith(b"finished\n")
    held = MemoryControl(ledger=ledger).attempts[attempt(name="one")]
    assert [record.seq for record in held.records] == list(range(1, len(held.records) + 1))
    assert held.output() == b"".join(b"line %d\n" % i for i in range(1, ROUNDS * LINES + 1))
    assert held.finished is not None and held.finished.state is ExecutionState.PASSED


async def test_a_killed_conductor_is_lost_after_all_it_left_went_up(bench: Bench) -> None:
    held = await bench.submit(plan(shell("echo before; sleep 1002")))
    await bench.control.until(lambda: held.output() == b"before\n")
    bench.control.withhold = True
    os.kill(conductor_of(bench, bench.seen[0]), signal.SIGKILL)
    bench.control.release()
    await bench.control.until(lambda: any(isinstance(said, AttemptLost) for said in bench.control.said))
    lost = next(said for said in bench.control.said if isinstance(said, AttemptLost))
    assert lost.attempt == bench.seen[0] and "signal 9" in lost.reason
    await bench.control.until(lambda: not any(bench.executor._folders.attempts()) and heartbeat(bench) == ())
    assert not processes("sleep 1002")


async def test_conductors_outlive_the_zygote_and_another_one_comes(bench: Bench) -> None:
    first = await bench.submit(plan(shell("mkfifo go; read line < go; echo went on")))
    await bench.control.until(lambda: len(first.records) > 1 or bool(first.records))
    process = bench.executor._nursery._process
    assert process is not None
    process.kill()
    await process.wait()
    second = await bench.run(plan(shell("echo second")))
    assert second.output() == b"second\n"
    assert first.finished is None and holder(Folders(bench.executor._folders.root).of(bench.seen[0])) is not None


async def test_a_link_that_breaks_delays_and_loses_nothing(bench: Bench) -> None:
    held = await bench.submit(plan(shell("for i in $(seq 200); do echo $i; sleep 0.005; done")))
    for count in (3, 6, 9):
        await bench.control.until(lambda: len(held.records) >= count)  # noqa: B023
        bench.control.cut()
    bench.control.down = True
    bench.control.cut()
    await asyncio.sleep(0.2)  # the outage itself
    bench.control.down = False
    await bench.control.until(lambda: held.finished is not None)
    assert held.output() == b"".join(b"%d\n" % i for i in range(1, 201))


async def test_no_step_begins_before_the_attempt_is_durable(bench: Bench) -> None:
    bench.control.withhold = True
    held = await bench.submit(plan(shell("echo began")))
    await bench.control.until(lambda: bool(held.records))
    await bench.control.until(lambda: sum(isinstance(said, Heartbeat) for said in bench.control.said) >= 4)
    assert len(held.records) == 1
    bench.control.release()
    await bench.control.until(lambda: held.finished is not None)
    assert held.output() == b"began\n"


async def test_withdrawn_work_leaves_no_trace(either: Bench) -> None:
    held = await either.submit(plan(shell("echo on; setsid sleep 1003 & sleep 1003")))
    await either.control.until(lambda: held.output() == b"on\n")
    either.control.say(Withdraw(either.seen[0], "no longer wanted"))
    await either.control.until(lambda: heartbeat(either) == () and not any(either.executor._folders.attempts()))
    assert not processes("sleep 1003")
    either.control.say(Withdraw(attempt(name="never-heard-of"), "unknown"))
    assert (await either.run(plan(shell("echo alive")))).output() == b"alive\n"


async def test_a_stop_ends_the_execution_in_order(either: Bench) -> None:
    held = await either.submit(plan(shell("echo on; sleep 1004")))
    await either.control.until(lambda: held.output() == b"on\n")
    either.control.tell(either.seen[0], Stop(ExecutionState.CANCELED, "asked to"))
    await either.control.until(lambda: held.finished is not None)
    assert held.finished is not None and held.finished.state is ExecutionState.CANCELED
    assert not processes("sleep 1004")


async def test_an_attempt_that_was_superseded_is_removed(bench: Bench) -> None:
    held = await bench.submit(plan(shell("echo on; sleep 1005")))
    await bench.control.until(lambda: held.output() == b"on\n")
    old = bench.seen[0]
    bench.control.expect(Attempt(old.execution, old.number + 1))
    bench.control.cut()
    await bench.control.until(lambda: heartbeat(bench) == () and not any(bench.executor._folders.attempts()))
    assert not processes("sleep 1005")


async def test_slots_are_counted_by_the_control_plane_alone(tmp_path: Path) -> None:
    async with bench_in(tmp_path, slots=1) as bench:
        parent = await bench.submit(plan(shell("mkfifo go; read line < go")))
        worker = await bench.submit(plan(shell("echo second")))
        await bench.control.until(lambda: worker.finished is not None)
        assert parent.finished is None
        assert not any(isinstance(said, Decline) for said in bench.control.said)


async def test_what_needs_a_container_is_declined_for_good(bench: Bench) -> None:
    await bench.submit(plan(shell("true"), pod={"volumes": [{"name": "v"}]}))
    await bench.control.until(lambda: any(isinstance(said, Decline) for said in bench.control.said))
    declined = next(said for said in bench.control.said if isinstance(said, Decline))
    assert declined.final and "pod.volumes" in declined.reason


async def test_a_conductor_that_nobody_comes_for_gives_up(tmp_path: Path) -> None:
    control = MemoryControl()
    async with bench_in(tmp_path, control=control, alone=1) as bench:
        held = await bench.submit(plan(shell("echo on; sleep 1006")))
        await control.until(lambda: held.output() == b"on\n")
        await bench.stop()
        while processes("sleep 1006"):
            await asyncio.sleep(0.05)
        executor = ProcessExecutor(options(tmp_path))
        again = Relay(control, executor, RelayOptions(5, "test"))
        running = asyncio.get_running_loop().create_task(again.run())
        await control.until(lambda: held.finished is not None)
        running.cancel()
        await executor.close()
        assert held.finished is not None and held.finished.state is ExecutionState.ABORTED
        assert "no agent came" in held.finished.reason


async def test_a_flood_does_not_grow_the_conductor(bench: Bench) -> None:
    size = 200_000_000
    bench.control.withhold = True  # the control plane is slow: everything has to wait on disk
    held = await bench.submit(assign(plan(shell(f"head -c {size} /dev/zero; echo done >&2"))))
    await bench.control.until(lambda: bool(held.records))
    bench.control.release()
    pid = conductor_of(bench, bench.seen[0])
    most = 0
    while held.finished is None:
        await bench.control.until(lambda: True)
        most = max(most, resident(pid) or 0)
        await asyncio.sleep(0.05)
    assert sum(len(record.entry.data) for record in held.records if hasattr(record.entry, "data")) >= size
    assert most < 120_000_000, f"the conductor grew to {most} bytes"


def resident(pid: int) -> int | None:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None


def heartbeat(bench: Bench) -> tuple[Attempt, ...] | None:
    beats = [said for said in bench.control.said if isinstance(said, Heartbeat)]
    return beats[-1].held if beats else None


def processes(words: str) -> list[str]:
    """Processes of this machine with these words on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            if command == words:
                found.append(entry.name)
    return found


async def test_an_agent_killed_between_launch_and_connect_loses_no_value(state: Path) -> None:
    script = """printf '%s %s\\n' {{ secret("muster.dev/config","pin") }} "$(printf %s "$PIN" | wc -c)" """
    made = plan(shell(script, PIN='{{ secret("muster.dev/config","pin") }}'))
    before = ProcessExecutor(options(state))
    assigned = replace(assign(made), secrets={"pin": "4711-0815"})
    await before.launch(assigned)
    await before.close()
    files = [path for path in (state / "attempts").rglob("*") if path.is_file()]
    holding = [path for path in files if b"4711-0815" in path.read_bytes()]
    assert [path.stat().st_mode & 0o777 for path in holding] == [0o600]
    control = MemoryControl()
    held = control.expect(assigned.bundle.attempt)
    async with bench_in(state, control=control):
        await control.until(lambda: held.finished is not None)
        assert held.output() == b"***** 9\n"
        await control.until(lambda: not list((state / "attempts").iterdir()))
