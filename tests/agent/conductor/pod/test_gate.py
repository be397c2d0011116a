"""The gate with plain processes and busybox: what a step container does, without a cluster."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.conductor.console import Console
from agent.conductor.failure import Failure
from agent.conductor.pod.gate import Gate
from agent.conductor.pod.job import job
from agent.conductor.pod.script import GATE, PIPES
from agent.conductor.processes import Process
from tests.busybox import BUSYBOX, NO_BUSYBOX

LONG = f"9{os.getpid()}"
"""Seconds for which only processes of these tests sleep."""
SPIN = "z=0; while [ $z -lt 3000 ]; do z=$((z+1)); done"
"""Some milliseconds of a gate, without a child whose end would be a signal."""
pytestmark = pytest.mark.skipif(not BUSYBOX, reason=NO_BUSYBOX)
first_process = pytest.mark.parametrize("container", ["first"], indirect=True)
"""Holds only where the gate is its container's first process, as in every pod whose processes do not see each other."""


def _may_unshare() -> bool:
    return subprocess.run(["unshare", "-fp", "true"], capture_output=True).returncode == 0


@dataclass
class Container:
    """A gate and its conductor's end."""

    folder: Path
    gate: Gate
    first: bool
    script: str = GATE
    process: subprocess.Popen[bytes] | None = None
    number: int = 0

    def start(self) -> None:
        """As the container runtime does, with a process namespace of its own where ``first``."""
        own = ["unshare", "-fp", "--kill-child", "--mount-proc"] if self.first else []
        dying = [found, "--pdeathsig", "KILL"] if (found := shutil.which("setpriv")) else []  # with a killed test
        command = [*dying, *own, BUSYBOX, "sh", "-c", self.script, "gate", str(self.folder), BUSYBOX]
        self.process = subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, start_new_session=True)

    @property
    def pid(self) -> int:
        """The gate's process."""
        assert self.process is not None
        above = self.process.pid
        return int(Path(f"/proc/{above}/task/{above}/children").read_text()) if self.first else above

    def kill(self) -> None:
        """The container ends."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pid in _sleeping():  # a runtime ends all of a container's processes
            os.kill(int(pid), signal.SIGKILL)

    async def run(self, *argv: str, **env: str) -> tuple[Process, Console]:
        """Begin a job."""
        self.number += 1
        paths = [self.folder / f"{self.number}.{ending}" for ending in ("out", "err")]
        for path in paths:
            os.mkfifo(path)
        out, err = (os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in paths)
        script = self.folder / f"{self.number}.job"
        tools = self.folder / "bin"
        script.write_text(job(argv, env, "", (str(paths[0]), str(paths[1])), str(tools)))
        console = Console((out, err))
        return await self.gate.start(script), console

    async def finish(self, *argv: str, **env: str) -> tuple[int, bytes, bytes]:
        """A job from its beginning to its end: code, output, errors."""
        process, console = await self.run(*argv, **env)
        process.exited.add_done_callback(lambda _: console.wake())
        printed = {"stdout": b"", "stderr": b""}
        async with asyncio.timeout(20):
            while console.open:
                await console.wait()
                for stream, data in console.take():
                    printed[stream.value] += data
                if process.exited.done():
                    break
            code = await process.exited
        for stream, data in console.rest():
            printed[stream.value] += data
        console.close()
        return code, printed["stdout"], printed["stderr"]


@pytest.fixture(params=["first", "among others"])
async def container(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Container]:
    """A container whose gate is its first process, and one where it is not."""
    first = request.param == "first"
    if first and not _may_unshare():
        pytest.skip(
            "only in a process namespace, which this user may not make (`unshare -fp`), is a gate the first process"
        )
    folder = tmp_path / "gate"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "busybox").symlink_to(BUSYBOX)
    for pipe in PIPES:
        os.mkfifo(folder / pipe)
    made = Container(folder, Gate("step-1", folder), first)
    made.start()
    try:
        yield made
    finally:
        made.gate.close()
        assert made.process is not None
        if made.process.poll() is None:
            made.kill()


async def test_codes_output_and_environment(container: Container) -> None:
    words = 'it\'s $HOME "x"\nline `two`'
    code, out, err = await container.finish("sh", "-c", 'printf %s "$A"; echo oh >&2; exit 7', A=words)
    assert (code, out, err) == (7, words.encode(), b"oh\n")
    assert await container.finish("/bin/echo", "-n", "a b", "*") == (0, b"a b *", b"")


async def test_odd_names_of_variables_arrive(container: Container) -> None:
    code, out, _ = await container.finish("/usr/bin/env", **{"my.var": "1", "OK": "2"})
    assert code == 0 and b"my.var=1\n" in out and b"OK=2\n" in out


async def test_a_missing_command_is_told(container: Container) -> None:
    code, _, err = await container.finish("no-such-thing")
    assert code == 127 and b"there is no command 'no-such-thing' in this image" in err


async def test_bytes_are_exact(container: Container) -> None:
    script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 20000)"
    code, out, _ = await container.finish(sys.executable, "-c", script)
    assert code == 0 and out == bytes(range(256)) * 20000


async def test_a_step_costs_milliseconds(container: Container) -> None:
    await container.finish("sh", "-c", "echo x")
    costs = []
    for _ in range(20):
        began = time.perf_counter()
        await container.finish("sh", "-c", "echo x")
        costs.append(time.perf_counter() - began)
    assert min(costs) < 0.05  # the least: a busy machine delays some, a sleep of ours would delay all


async def test_a_kill_reaches_all_that_a_step_started(container: Container) -> None:
    process, console = await container.run("sh", "-c", f"sleep {LONG}1 & (trap '' TERM; sleep {LONG}2) & sleep {LONG}3")
    await _until(lambda: len(_sleeping()) == 3)
    assert await container.gate.end() == 1
    assert await process.exited == 137
    await _until(lambda: not _sleeping())
    console.close()
    assert (await container.finish("sh", "-c", "echo next"))[1] == b"next\n"


async def test_a_stopped_step_stands_still_and_goes_on(container: Container) -> None:
    process, console = await container.run("sh", "-c", "sleep 0.3; echo done")
    await _until(lambda: container.gate._job is not None and container.gate._job.group > 0)
    await container.gate.send(signal.SIGSTOP)
    await asyncio.sleep(0.6)
    assert not process.exited.done()
    await container.gate.send(signal.SIGCONT)
    assert await asyncio.wait_for(process.exited, 5) == 0
    console.close()


async def test_a_stop_that_overtakes_its_step_is_kept_for_it(container: Container) -> None:
    await container.gate.opened(20)
    os.kill(container.pid, signal.SIGSTOP)  # the gate takes no job now; its ear hears
    process, console = await container.run("sleep", "1")
    await container.gate.send(signal.SIGSTOP)
    os.kill(container.pid, signal.SIGCONT)
    await _until(lambda: "T" in _states_below(container.pid))
    assert not process.exited.done()
    await container.gate.send(signal.SIGCONT)
    assert await asyncio.wait_for(process.exited, 20) == 0
    console.close()


async def test_a_stop_that_was_taken_back_in_time_stops_nothing(container: Container) -> None:
    await container.gate.opened(20)
    os.kill(container.pid, signal.SIGSTOP)
    process, console = await container.run("sleep", "0")
    await container.gate.send(signal.SIGSTOP)
    await container.gate.send(signal.SIGCONT)
    os.kill(container.pid, signal.SIGCONT)
    assert await asyncio.wait_for(process.exited, 20) == 0
    console.close()


def _states_below(pid: int) -> list[str]:
    """The states of a process's children, as the kernel shows them."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] for child in children]


@first_process
async def test_a_step_that_kills_everybody_harms_only_itself(container: Container) -> None:
    code, _, _ = await container.finish("sh", "-c", "kill -9 -1; sleep 1")
    assert code in {0, 137}
    assert await container.gate.end() == 0
    assert (await container.finish("sh", "-c", "sleep 0.2; echo still here"))[1] == b"still here\n"


@first_process
@pytest.mark.parametrize("harm", ["kill -9 -1", "kill -STOP -1"])
async def test_a_step_that_made_its_gate_deaf_can_be_ended(container: Container, harm: str) -> None:
    process, console = await container.run("sh", "-c", f"{harm}; echo done; exec sleep {LONG}")
    await _until(lambda: bool(_sleeping()))
    assert await container.gate.end() == 1
    assert await process.exited == 137
    console.close()
    assert (await container.finish("sh", "-c", "echo next"))[1] == b"next\n"


@first_process
@pytest.mark.parametrize("harm", ["kill -9 -1", "kill -STOP -1"])
@pytest.mark.parametrize("before", ["p=$!", "trap heed CHLD", "heed\n  while", "while wait"])
async def test_a_gate_that_the_machine_delays_can_be_ended(container: Container, harm: str, before: str) -> None:
    assert GATE.count(f"  {before}") == 1
    await container.gate.opened(20)  # whose end is heard, so that it is not taken for that of the next
    container.kill()
    await _until(lambda: not container.gate._open.is_set())
    container.script = GATE.replace(f"  {before}", f"  {SPIN}\n  {before}")
    container.start()
    process, console = await container.run("sh", "-c", f"{harm}; exec sleep {LONG}")
    await _until(lambda: bool(_sleeping()))
    async with asyncio.timeout(20):
        assert await container.gate.end() == 1
        assert await process.exited == 137
    console.close()
    assert (await container.finish("sh", "-c", "exit 7"))[0] == 7


@pytest.mark.parametrize("code", [145, 137, 3])
async def test_a_code_is_the_steps_own_whatever_else_ends_meanwhile(container: Container, code: int) -> None:
    for _ in range(5):
        script = f"for i in 1 2 3 4; do (sleep 0.00$i; true) & done; exit {code}"
        assert (await container.finish("sh", "-c", script))[0] == code


async def test_a_container_that_ends_fails_its_step_and_comes_back(container: Container) -> None:
    process, console = await container.run("sleep", LONG)
    await _until(lambda: bool(_sleeping()))
    container.kill()
    await _until(lambda: not container.gate._open.is_set())
    container.gate.gone("OOMKilled, exit code 137", final=False)
    assert await process.exited == -9
    assert process.words == ["OOMKilled, exit code 137"]
    console.close()
    container.start()
    assert (await container.finish("sh", "-c", "echo again"))[1] == b"again\n"


async def test_a_container_that_never_comes_fails_in_the_clusters_words(tmp_path: Path) -> None:
    for pipe in PIPES:
        os.mkfifo(tmp_path / pipe)
    gate = Gate("step-1", tmp_path)
    gate.gone("ErrImagePull: no such image", final=True)
    with pytest.raises(Failure, match="no such image"):
        await gate.opened(1)
    gate.close()


@first_process
async def test_when_the_conductor_ends_so_does_everything(container: Container) -> None:
    _, console = await container.run("sleep", LONG)
    await _until(lambda: bool(_sleeping()))
    container.gate.close()
    assert container.process is not None
    await asyncio.to_thread(container.process.wait, 10)
    assert not _sleeping()
    console.close()


def _sleeping() -> list[str]:
    """The processes that these tests leave sleeping."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if len(words) > 1 and words[0].endswith(b"sleep") and words[1].startswith(LONG.encode()):
            found.append(entry.name)
    return found


async def _until(condition: object) -> None:
    """Poll: what happens in other processes gives no signal here."""
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)
