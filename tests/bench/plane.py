"""A control plane as a process of its own, with agents that are enrolled already.

Used by the benchmarks that simulate agents. The agents' certificates are made by the same services before the control
plane starts, since a thousand enrolments over HTTPS are not what is measured.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.link.control import Link
from agent.link.identity import Identity, made, new_key
from agent.link.join import parse
from control_plane.adapters.signals import LocalSignals
from control_plane.adapters.sqlite import SqliteStore
from control_plane.adapters.system import SystemClock
from control_plane.adapters.x509 import X509Authority
from control_plane.services.enrolment import Address, Enrolment
from muster.client import Muster
from muster.local.program import Program
from workflow.identifiers import agent_name


def memory_of(pid: int) -> float:
    """What a process holds now, in MB (RSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError("no VmRSS")


@dataclass(frozen=True)
class Plane:
    """The running control plane and who may speak with it."""

    program: Program
    web: str
    token: str
    folder: Path
    identities: tuple[Identity, ...]
    ports: Mapping[str, str]

    def client(self) -> Muster:
        """A client of people."""
        return Muster(self.web, self.token)

    def link(self, number: int) -> Link:
        """The connection of one agent."""
        identity = self.identities[number]
        return Link(self.folder / "links" / identity.name, identity)

    def memory(self) -> float:
        """What the process holds now, in MB."""
        return memory_of(self.program.pid)

    def busy(self) -> float:
        """Seconds of processor time that it used."""
        fields = Path(f"/proc/{self.program.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def killed(self) -> Plane:
        """kill -9, and another one on the same state and ports, ready."""
        self.program.kill()
        await self.program.ended()
        return replace(self, program=await _started(self.folder, self.ports))


@asynccontextmanager
async def running(folder: Path, agents: int, slots: int = 100) -> AsyncIterator[Plane]:
    """A control plane that knows ``agents`` agents, ``bench-0`` and so on, labelled with their number."""
    identities = await _enrolled(folder / "control-plane", agents, slots)
    ports = _free_ports("GRPC", "WEB", "ENROL")
    program = await _started(folder, ports)
    try:
        token = (folder / "control-plane" / "token").read_text().strip()
        server = f"127.0.0.1:{ports['MUSTER_GRPC_PORT']}"
        known = tuple(replace(identity, server=server) for identity in identities)
        yield Plane(program, f"http://127.0.0.1:{ports['MUSTER_WEB_PORT']}", token, folder, known, ports)
    finally:
        await program.stop()


async def _started(folder: Path, ports: Mapping[str, str]) -> Program:
    program = await Program.start(
        "control-plane",
        [sys.executable, "-m", "control_plane", "--state", str(folder / "control-plane"), "--log-level", "warning"],
        log=folder / "control-plane.log",
        environment=ports,
    )
    await program.ready()
    return program


def _free_ports(*names: str) -> dict[str, str]:
    sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
    ports = {f"MUSTER_{name}_PORT": str(bound.getsockname()[1]) for name, bound in sockets.items()}
    for bound in sockets.values():
        bound.close()
    return ports


async def _enrolled(state: Path, agents: int, slots: int) -> list[Identity]:
    state.mkdir(parents=True)
    clock = SystemClock()
    store = await SqliteStore.open(state / "muster.db")
    authority = X509Authority(state / "authority", ("localhost", "127.0.0.1", "::1"), clock)
    enrolment = Enrolment(store, authority, LocalSignals(), clock, Address("127.0.0.1:1", "https://127.0.0.1:1"))
    found = []
    for number in range(agents):
        name = agent_name(f"bench-{number}")
        join = parse(await enrolment.invite(name, {"number": str(number)}, slots))
        key, request = new_key()
        grant = await enrolment.enrol(join.token, request)
        chain = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in grant.issued.chain]
        found.append(
            made(
                server="127.0.0.1:1",
                key=key,
                chain=b"".join(chain).decode(),
                roots=grant.roots_pem.decode(),
                received=time.time(),
                life=grant.life,
            )
        )
    await store.close()
    return found
