"""What a conductor does before it has loaded itself: the steps' pipes and directories, and a port that takes calls.

Called by the pod's main, first of all. The step containers wait for the pipes, the agent for the port: whoever calls
before the program is there waits in the port's queue instead of trying again.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from agent.conductor.pod.script import CONTAINED, PIPES
from agent.conductor.pod.terms import TERMS, PodTerms

_CALLS = 16


def begin(folder: Path) -> tuple[PodTerms, socket.socket]:
    """The terms that lie in ``folder``, and the listening port, once all is laid down that others wait for."""
    os.umask(0o002)  # what it lays down for the steps is their group's too
    terms = PodTerms.from_json((folder / TERMS).read_text())
    _lay_pipes(terms)
    return terms, _listening(terms.listen, terms.port)


def _lay_pipes(terms: PodTerms) -> None:
    """Make what is missing of the gates' pipes and of the steps' directories."""
    for name in set(terms.containers.values()):
        folder = terms.gates / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONTAINED).touch()
        before = os.umask(0)  # a pipe that is seen can be opened, whoever the image's user is
        for pipe in PIPES:
            with suppress(FileExistsError):
                os.mkfifo(folder / pipe, 0o666)
        os.umask(before)
    own, work = Path(terms.own), Path(terms.work)
    for path in (work / "scripts", Path(terms.shared[1]) / "outputs", own / "spool", own / "private"):
        path.mkdir(parents=True, exist_ok=True)
        with suppress(PermissionError):
            path.chmod(0o777)


def _listening(address: str, port: int) -> socket.socket:
    """Every address of the pod, of either kind, where none is named."""
    both = not address and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both or ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it accepts has it too
    if both:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listening.bind((address, port))
    listening.listen(_CALLS)
    return listening
