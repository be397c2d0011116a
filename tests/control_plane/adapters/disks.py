"""Small disks and killed processes for the adapters' tests."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(at: Path, kilobytes: int) -> Iterator[Path]:
    """A disk of its own with so much space; skips the test where mounting is not allowed."""
    at.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(at)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a full disk is made by mounting a small one, which this user may not")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: what a full disk looks like, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(disk: Path) -> Path:
    """Take all space that is left; deleting the file gives it back."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return filler


def acknowledged_until_killed(module: str, arguments: Sequence[str], lines: int) -> list[str]:
    """Run a module in a process of its own, kill it with SIGKILL after it printed so many lines, and give all that it
    printed."""
    process = subprocess.Popen([sys.executable, "-u", "-m", module, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        printed = [process.stdout.readline() for _ in range(lines)]
    finally:
        process.kill()
    printed += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    assert all(printed), "the process ended by itself"
    return [line.strip() for line in printed if line.endswith("\n")]
