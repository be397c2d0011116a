"""``shell`` and ``run``: a process, its output, its end, and what it left in /testkube/outputs.

Called by the table of operations.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.conductor.console import Console
from agent.conductor.failure import Failure
from agent.conductor.operations.probing import probed
from agent.conductor.place import OUTPUTS, SCRIPTS
from agent.conductor.processes import Command, Process
from agent.conductor.stage import Stage
from agent.conductor.surroundings import environment
from agent.conductor.texts import Texts
from workflow.execution.events import Exited, Killed, Outcome
from workflow.journal import MAX_OUTPUT_VALUE
from workflow.masking import Masker
from workflow.plan.nodes import Container, Run

GRACE = 0.2
"""Seconds for which the pipes of a process that ended are still read while its children hold them open."""
DIRECTORY = "/data"
"""Where a process runs that names no directory."""
HEADER = "set -e\n"
"""What goes before every script."""

_MAX_ARGUMENT = 100_000  # bytes; Linux takes 128 KiB in one argument
_MAX_OUTPUTS = 1000


@dataclass(frozen=True, slots=True)
class _Prepared:
    argv: tuple[str, ...]
    env: Mapping[str, str]
    directory: str


async def run_process(stage: Stage, operation: Run) -> tuple[Outcome, Mapping[str, str]]:
    """Run it to its end; how it ended, and its outputs. Raises ``Failure`` where it cannot be started."""
    base = await stage.place.ready(stage.ref)
    prepared = await stage.place.work(lambda: _prepared(stage, operation, base))
    console = stage.place.console()
    try:
        try:
            process = await stage.place.start(
                Command(prepared.argv, prepared.env, prepared.directory, console.stdout, console.stderr, stage.ref)
            )
        except OSError as problem:
            raise Failure(_not_started(prepared, problem)) from None
        finally:
            console.handed_over()
        stage.began()
        async with probed(stage, prepared.env, prepared.directory):
            code = await _followed(stage, console, process)
    finally:
        console.close()
        stage.place.outside(_kept(stage)).unlink(missing_ok=True)
    outputs = await stage.place.work(lambda: _outputs(stage))
    for notice in outputs[1]:
        await stage.printed.say(notice)
    return _outcome(code, process.words), outputs[0]


def directory_of(container: Container, texts: Texts, base: str = DIRECTORY) -> str:
    """The working directory as an absolute path of the steps."""
    return posixpath.normpath(posixpath.join(base, texts.maybe(container.working_dir) or ""))


def _prepared(stage: Stage, operation: Run, base: str) -> _Prepared:
    """In the workspace's thread: texts filled in, last outputs removed, a long script put into a file."""
    place, container = stage.place, operation.container
    env = environment(stage, container)
    directory = directory_of(container, Texts(stage.names, env, stage.around.values), base)
    texts = Texts(stage.names, env, stage.around.values, directory=directory, inside=place.inside)
    _clear_outputs(place.inside(OUTPUTS))
    shown = {name: place.spelt(value) for name, value in env.items()}
    if operation.script is not None:
        script = HEADER + place.spelt(texts.text(operation.script))
        return _Prepared(_shell(stage, script), shown, directory)
    own = stage.place.command(stage.ref, container) if not container.command else ()
    argv = [*(own or texts.many(container.command or ())), *texts.many(container.args or ())]
    if not argv or not argv[0]:
        raise Failure("there is no command to run: a local process has no image whose own command it could use")
    return _Prepared(tuple(map(place.spelt, argv)), shown, directory)


def _kept(stage: Stage) -> str:
    """The file of a script that is read from one."""
    return f"{SCRIPTS}/{stage.ref}"


def _shell(stage: Stage, script: str) -> tuple[str, ...]:
    """How the script is run. One that is long or may hold a secret is kept off the command line."""
    if len(script.encode("utf-8", "surrogateescape")) <= _MAX_ARGUMENT and not stage.around.secrets:
        return (*stage.around.shell, "-c", script)
    path = stage.place.inside(_kept(stage))
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(script)
        if stage.place.contained:
            os.fchmod(descriptor, 0o644)  # whoever the image's user is; nobody else is in the pod
    return (*stage.around.shell, str(path))


async def _followed(stage: Stage, console: Console, process: Process) -> int:
    """Read what is printed until the process ended and the pipes are at their end; its exit code."""
    loop, printed = asyncio.get_running_loop(), stage.printed
    process.exited.add_done_callback(lambda _: console.wake())
    alarm: asyncio.TimerHandle | None = None
    enough: float | None = None
    try:
        while console.open:
            await console.wait()
            await stage.around.journal.room()
            for stream, data in console.take():
                printed.add(stream, data)
            if printed.due is not None and (printed.full or printed.due <= loop.time()):
                await printed.flush()
            if process.exited.done():
                enough = loop.time() + GRACE if enough is None else enough
                if loop.time() >= enough:
                    break
            nearest = min((moment for moment in (printed.due, enough) if moment is not None), default=None)
            if alarm is not None:
                alarm.cancel()
            alarm = loop.call_at(nearest, console.wake) if nearest is not None else None
        code = await process.exited
    finally:
        if alarm is not None:
            alarm.cancel()
        await stage.place.end_all()
        for stream, data in console.rest():
            printed.add(stream, data)
    return code


def _outcome(code: int, words: Sequence[str] = ()) -> Outcome:
    if code >= 0:
        return Exited(code)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return Killed(-code, words[0] if words else f"the process was killed by {name}")


def _not_started(prepared: _Prepared, problem: OSError) -> str:
    if isinstance(problem, FileNotFoundError) and problem.filename == prepared.argv[0]:
        return f"there is no command {prepared.argv[0]!r} on this machine"
    return f"{prepared.argv[0]!r} could not be started in {prepared.directory}: {problem.strerror}"


def _clear_outputs(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in os.scandir(folder):
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)  # noqa: PTH108 - an entry of scandir


def _outputs(stage: Stage) -> tuple[Mapping[str, str], list[str]]:
    """The outputs that can be taken, and sentences on those that cannot."""
    folder = stage.place.inside(OUTPUTS)
    taken: dict[str, str] = {}
    refused: list[str] = []
    masker = Masker(stage.around.secrets)
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name) if folder.is_dir() else []
    for entry in entries[:_MAX_OUTPUTS]:
        if not entry.is_file(follow_symlinks=False):
            continue
        with Path(entry.path).open("rb") as file:
            data = file.read(MAX_OUTPUT_VALUE + 1)
        if len(data) > MAX_OUTPUT_VALUE:
            refused.append(f"output {entry.name!r} is left out: it has more than {MAX_OUTPUT_VALUE} bytes")
            continue
        shown = masker.whole(data)
        if shown != data:
            refused.append(f"output {entry.name!r} holds a secret, which is masked")
        taken[entry.name] = shown.decode("utf-8", "replace")
    if len(entries) > _MAX_OUTPUTS:
        refused.append(f"only the first {_MAX_OUTPUTS} of {len(entries)} outputs are taken")
    return taken, refused
