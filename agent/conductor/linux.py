"""The few system calls of Linux that Python has no words for. Called by the workspace and by the process executor.

Every function raises OSError with the kernel's reason.
"""

from __future__ import annotations

import ctypes
import os
from enum import IntFlag

_libc = ctypes.CDLL(None, use_errno=True)

_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class New(IntFlag):
    """What ``unshare`` makes anew (CLONE_NEW...)."""

    MOUNTS = 0x0002_0000
    USERS = 0x1000_0000
    PIDS = 0x2000_0000


class Mount(IntFlag):
    """Flags of ``mount`` (MS_...)."""

    NONE = 0
    READ_ONLY = 1
    NO_SUID = 2
    NO_DEV = 4
    NO_EXEC = 8
    BIND = 4096
    RECURSIVE = 16384
    PRIVATE = 1 << 18


_DETACH = 2


def unshare(what: New) -> None:
    """Leave these namespaces for new ones. PIDS concerns children only, MOUNTS the calling thread."""
    _checked(_libc.unshare(ctypes.c_int(what)), "unshare")


def enter(namespace: int, what: New) -> None:
    """Go (for PIDS: let the next children go) into the namespace that this descriptor stands for."""
    _checked(_libc.setns(ctypes.c_int(namespace), ctypes.c_int(what)), "setns")


def mount(source: str, target: str, kind: str = "", flags: Mount = Mount.NONE, data: str = "") -> None:
    """mount(2)."""
    arguments = (os.fsencode(source), os.fsencode(target), os.fsencode(kind), ctypes.c_ulong(flags), os.fsencode(data))
    _checked(_libc.mount(*arguments), f"mount {target}")


def unmount(target: str) -> None:
    """umount2(2), detaching: what still uses it keeps it."""
    _checked(_libc.umount2(os.fsencode(target), ctypes.c_int(_DETACH)), f"umount {target}")


def pivot_root(new: str) -> None:
    """Make the mount at ``new`` the calling thread's root; the old one is gone from its sight."""
    os.chdir(new)
    number = _SYS_PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"pivot_root is not known for {os.uname().machine}")
    _checked(_libc.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")
    unmount(".")
    os.chdir("/")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends (PR_SET_CHILD_SUBREAPER)."""
    _checked(_libc.prctl(ctypes.c_int(_PR_SET_CHILD_SUBREAPER), ctypes.c_ulong(1), 0, 0, 0), "prctl")


def die_with_parent(signal: int) -> None:
    """Get ``signal`` when the thread that made this process ends (PR_SET_PDEATHSIG)."""
    _checked(_libc.prctl(ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_ulong(signal), 0, 0, 0), "prctl")


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
