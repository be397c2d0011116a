"""Methods that were compiled ahead: the same classes, whatever is found in the file."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

USED = """
import sys
from pathlib import Path
from agent.conductor.pod import prepared
known = prepared.use(Path(sys.argv[1]))
compiled = []
import builtins
plain = builtins.exec
def noted(what, *more):
    if isinstance(what, str):
        compiled.append(what)
    plain(what, *more)
builtins.exec = noted
from agent.conductor.pod import executing, main
from workflow.identifiers import Attempt, ExecutionId
from dataclasses import FrozenInstanceError, replace
one = Attempt(ExecutionId("e"), 1)
assert one == Attempt(ExecutionId("e"), 1) and hash(one) == hash(replace(one)) and one < replace(one, number=2)
try:
    one.number = 2
except FrozenInstanceError:
    print(known, len(compiled), repr(one))
"""


def program(text: str, *arguments: str) -> str:
    """What it prints."""
    run = subprocess.run([sys.executable, "-c", text, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


PREPARE = """
import sys
from pathlib import Path
from agent.conductor.pod import prepared
print(prepared.prepare(Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the image has it."""
    path = tmp_path_factory.mktemp("prepared") / "below" / "methods.bin"
    assert int(program(PREPARE, str(path))) > 100  # one a class or one a method, as the Python has it
    return path


def test_nothing_is_compiled_that_was_compiled_before(file: Path) -> None:
    known, compiled, shown = program(USED, str(file)).split(" ", 2)
    assert int(known) > 100 and int(compiled) == 0
    assert shown == "Attempt(execution='e', number=1)"


@pytest.mark.parametrize(
    "content",
    [None, b"", MAGIC_NUMBER, b"of another Python", MAGIC_NUMBER + b"no marshal"],
    ids=["none", "empty", "cut off", "another", "broken"],
)
def test_without_a_sound_file_everything_is_as_ever(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "methods.bin"
    if content is not None:
        path.write_bytes(content)
    known, _, shown = program(USED, str(path)).split(" ", 2)
    assert (known, shown) == ("0", "Attempt(execution='e', number=1)")


def test_a_class_that_changed_is_compiled_anew(file: Path) -> None:
    text = """
import sys
from pathlib import Path
from agent.conductor.pod import prepared
prepared.use(Path(sys.argv[1]))
from dataclasses import dataclass
@dataclass(frozen=True, slots=True)
class Fresh:
    never_seen_before: int
print(Fresh(3) == Fresh(3), Fresh(3))
"""
    assert program(text, str(file)) == "True Fresh(never_seen_before=3)"


def test_a_conductor_loads_only_what_every_plan_needs() -> None:
    text = "import sys, agent.conductor.pod.executing; print(' '.join(sys.modules))"
    loaded = set(program(text).split())
    heavy = {"yaml", "wcmatch", "tarfile", "urllib.request", "http", "email", "statistics", "ctypes", "tempfile"}
    ours = {"workflow.expressions.jq", "workflow.balance", "agent.conductor.operations.clone", "agent.conductor.main"}
    never = {"grpc", "cryptography", "pydantic", "aiohttp", "kubernetes"}
    assert not loaded & (heavy | ours | never)


def test_until_its_port_takes_calls_it_loads_no_more_than_that_needs() -> None:
    text = """
import sys
from agent.conductor.pod import unused
unused.defer()
import agent.conductor.pod.main
print(" ".join(sys.modules))
"""
    loaded = set(program(text).split())
    assert not loaded & {"agent.conductor.host", "workflow.execution.machine", "workflow.expressions"}
    assert "protos.muster.v1.conductor_pb2" in loaded and "google.protobuf.text_format" not in loaded


def test_what_is_deferred_is_there_once_somebody_looks_into_it() -> None:
    text = """
import sys
from agent.conductor.pod import unused
unused.defer()
from google.protobuf.internal import python_message
before = "google.protobuf.text_format" in sys.modules
print(before, python_message.GeneratedProtocolMessageType.__name__, "google.protobuf.text_format" in sys.modules)
"""
    assert program(text) == "False GeneratedProtocolMessageType True"
