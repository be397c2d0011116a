"""Steps as real processes, from an assignment to a durable journal."""

from __future__ import annotations

from tests.agent.conftest import Bench
from tests.agent.plans import plan, shell, step
from tests.fakes.control import Held, MemoryControl
from workflow.identifiers import SECOND, StepRef
from workflow.journal import AttemptStarted, Output, Pause, Resume, StepFinished, StepOutput, StepPaused, Stop, Stream
from workflow.plan.nodes import Container, Group, Retry, Run, Step
from workflow.states import ExecutionState, StepStatus


async def test_a_shell_step_runs_and_its_journal_is_whole(either: Bench) -> None:
    held = await either.run(plan(shell("echo hello")))
    assert isinstance(held.records[0].entry, AttemptStarted)
    assert [record.seq for record in held.records] == list(range(1, len(held.records) + 1))
    assert held.output() == b"hello\n"
    assert held.finished is not None and held.finished.state is ExecutionState.PASSED


async def test_a_failing_line_ends_the_script_with_its_exit_code(either: Bench) -> None:
    held = await either.run(plan(shell("echo before; (exit 7); echo after"), shell("echo second")))
    finished = {e.ref: e for r in held.records if isinstance(e := r.entry, StepFinished)}
    assert held.output() == b"before\n"
    assert (finished[StepRef("1")].status, finished[StepRef("1")].exit_code) == (StepStatus.FAILED, 7)
    assert finished[StepRef("2")].status is StepStatus.SKIPPED
    assert held.finished is not None and held.finished.state is ExecutionState.FAILED


async def test_both_streams_keep_their_order(bench: Bench) -> None:
    lines = 300
    held = await bench.run(
        plan(shell(f'for i in $(seq {lines}); do echo "out $i"; echo "err $i" >&2; echo "and $i"; done'))
    )
    printed = [e for r in held.records if isinstance(e := r.entry, Output)]
    whole = b"".join(entry.data for entry in printed).decode().splitlines()
    assert whole == [line for i in range(1, lines + 1) for line in (f"out {i}", f"err {i}", f"and {i}")]
    assert all((entry.stream is Stream.STDERR) == entry.data.startswith(b"err") for entry in printed)


async def test_bytes_arrive_as_they_were_printed(bench: Bench) -> None:
    script = "python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 4096)'"
    held = await bench.run(plan(shell(script)))
    assert held.output() == bytes(range(256)) * 4096


async def test_outputs_are_taken_and_used(either: Bench) -> None:
    first = Step(
        StepRef("1"), shell("echo ' 4711 ' > /testkube/outputs/number; echo x > /testkube/outputs/other"), "one"
    )
    held = await either.run(
        plan(first, shell('echo "got {{ step.one.outputs.number }}"'), shell("ls /testkube/outputs"))
    )
    assert {e.key: e.value for r in held.records if isinstance(e := r.entry, StepOutput)} == {
        "number": "4711",
        "other": "x",
    }
    assert held.output() == b"got 4711\n"


async def test_env_and_directory_are_as_told(either: Bench) -> None:
    container = Container(working_dir="/data/deep/down", env=shell("", GREETING="hi {{ env.NAME }}").container.env)
    named = Container(working_dir="/data/deep/down", env=(*shell("", NAME="you").container.env, *container.env))
    held = await either.run(
        plan(Run(named, script='echo "$GREETING $CI"; pwd > here; basename $(pwd); test -f /data/deep/down/here'))
    )
    assert held.output() == b"hi you 1\ndown\n"
    assert held.finished is not None and held.finished.state is ExecutionState.PASSED


async def test_command_and_args_run_without_a_shell(either: Bench) -> None:
    container = Container(command=("printf", "%s|"), args=("a b", '{{ list("c", "d") }}', "$HOME"))
    held = await either.run(plan(Run(container)))
    assert held.output() == b"a b|c|d|$HOME|"


async def test_an_unknown_command_is_a_sentence(bench: Bench) -> None:
    held = await bench.run(plan(Run(Container(command=("no-such-thing-here",)))))
    finished = next(e for r in held.records if isinstance(e := r.entry, StepFinished))
    assert finished.status is StepStatus.FAILED
    assert "no-such-thing-here" in finished.reason and "Traceback" not in finished.reason


async def test_a_time_out_kills_grandchildren(either: Bench) -> None:
    script = "echo begin; (setsid sleep 1011 & setsid sh -c 'trap \"\" TERM; sleep 1011' & wait) & sleep 1011"
    slow = Step(StepRef("1"), Group((Step(StepRef("1.1"), shell(script)),)), timeout=SECOND // 2)
    held = await either.run(
        plan(slow, Step(StepRef("2"), shell("ps ax | grep -c '[s]leep 1011' || true"), condition="always"))
    )
    finished = {e.ref: e.status for r in held.records if isinstance(e := r.entry, StepFinished)}
    assert finished[StepRef("1")] is StepStatus.TIMEOUT
    assert held.output("2") == b"0\n"


async def test_what_is_left_in_the_background_neither_holds_nor_outlives_its_step(either: Bench) -> None:
    held = await either.run(
        plan(shell("sleep 1001 & echo started"), shell("ps ax | grep -c '[s]leep 1001' || true")), 10
    )
    assert held.output() == b"started\n0\n"


async def test_retry_runs_again(bench: Bench) -> None:
    script = "echo try; test -f /data/seen || { touch /data/seen; exit 1; }"
    held = await bench.run(plan(step(1, shell(script), retry=Retry(3))))
    assert held.output() == b"try\ntry\n"
    assert held.finished is not None and held.finished.state is ExecutionState.PASSED


async def test_a_process_killed_from_outside_is_no_success(bench: Bench) -> None:
    held = await bench.run(plan(shell("kill -9 $$")))
    finished = next(e for r in held.records if isinstance(e := r.entry, StepFinished))
    assert finished.status in {StepStatus.FAILED, StepStatus.ABORTED}
    assert "SIGKILL" in finished.reason


async def test_a_long_script_runs(bench: Bench) -> None:
    script = "\n".join(f"x{i}={'v' * 100}" for i in range(3000)) + "\necho ${#x2999}"
    held = await bench.run(plan(shell(script)))
    assert held.output() == b"100\n"


async def test_an_image_is_named_in_one_notice(bench: Bench) -> None:
    run = Run(Container(image="node:22"), script="echo a")
    held = await bench.run(plan(run, run))
    assert held.output(stream=Stream.SYSTEM).decode().count("image node:22") == 1


async def test_a_pause_stops_processes_in_place(either: Bench) -> None:
    held = await either.submit(plan(shell("i=0; while [ ! -e /data/end ]; do i=$((i+1)); echo $i; sleep 0.02; done")))
    await either.control.until(lambda: len(held.output()) > 10)
    either.control.tell(either.seen[0], Pause())
    await either.control.until(lambda: any(isinstance(r.entry, StepPaused) for r in held.records))
    paused = await quiet(either.control, held)
    either.control.tell(either.seen[0], Resume())
    await either.control.until(lambda: len(held.output()) > len(paused) + 10)
    either.control.tell(either.seen[0], Stop(ExecutionState.CANCELED, "enough"))
    await either.control.until(lambda: held.finished is not None)
    numbers = held.output().decode().split()
    assert numbers == [str(i) for i in range(1, len(numbers) + 1)]


async def quiet(control: MemoryControl, held: Held) -> bytes:
    """The output once nothing came for three heartbeats."""
    printed, beats = held.output(), len(control.said)
    while len(control.said) < beats + 3:
        await control.until(lambda: len(control.said) >= beats + 3)  # noqa: B023
        if held.output() != printed:
            printed, beats = held.output(), len(control.said)
    return printed
