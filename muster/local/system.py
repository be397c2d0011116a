"""The embedded system as a whole: a control plane and agents, started in order, watched, started again when they die,
stopped in order.

Called by ``muster up`` and by the whole-system tests, which also kill its programs on purpose. Agents are invited and
joined over the same enrolment as in a fleet; ports are chosen once for a state directory and kept, since agents
remember where their control plane is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from muster.client import ClientError, Muster
from muster.local.program import Program, ProgramFailed
from muster.local.state import Endpoint, LocalState, write_private
from muster.local.strangers import end
from workflow.views import NewAgent

RESTART_AFTER = 0.5
"""Seconds before a program that died is started again; doubled each time, up to 10."""


class StartFailed(Exception):
    """The system did not come up. The sentence says which part, and why."""


@dataclass(frozen=True, slots=True)
class LocalAgent:
    """An agent of the embedded system. ``references`` holds its ``secrets/NAME/KEY`` and ``configmaps/NAME/KEY``
    files."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    references: Path | None = None
    max_concurrent: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class LocalSystem:
    """Made by ``start``; ``stop`` ends it. Programs are named ``control-plane`` and by their agents' names."""

    state: LocalState
    agents: tuple[LocalAgent, ...]
    say: Callable[[str], None] = lambda _: None
    environment: Mapping[str, str] = field(default_factory=dict)
    endpoint: Endpoint = field(default_factory=lambda: Endpoint("", ""))
    _programs: dict[str, Program] = field(default_factory=dict)

    @classmethod
    async def start(
        cls,
        state: LocalState,
        agents: tuple[LocalAgent, ...],
        say: Callable[[str], None] = lambda _: None,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Start everything; returns when every agent is connected. ``environment`` is the control plane's, beside our
        own. StartFailed, with nothing left running."""
        system = cls(state, agents, say, environment or {})
        try:
            state.prepare()
            for name in await end_leftovers(state):
                say(f"{name} still ran although nobody supervised it any more; it was stopped")
            await system.start_control_plane()
            async with asyncio.TaskGroup() as group:
                for agent in agents:
                    group.create_task(system.start_agent(agent))
        except BaseException as error:
            await system.stop()
            cause = _first(error)
            if isinstance(cause, ProgramFailed | ClientError | OSError):
                raise StartFailed(str(cause)) from None
            raise
        return system

    async def start_control_plane(self) -> None:
        """Start the control plane, on the ports it had before where it had some."""
        ports = _ports(self.state.directory / "ports.json")
        program = await Program.start(
            "control-plane",
            [sys.executable, "-m", "control_plane", "--state", str(self.state.control_plane)],
            log=self.state.log("control-plane"),
            environment={**self.environment, **ports},
        )
        self._programs["control-plane"] = program
        self.state.started("control-plane", program.pid)
        try:
            ready = await program.ready()
        except ProgramFailed as failed:
            raise ProgramFailed(f"{failed}{_hint(ports, self.state)}") from None
        token = (self.state.control_plane / "token").read_text().strip()
        self.endpoint = Endpoint(ready["web"], token)
        self.say(f"control plane: {ready['web']}")

    async def start_agent(self, agent: LocalAgent) -> None:
        """Join where it has not joined yet, then run; returns when it is connected."""
        home = self.state.agent(agent.name)
        if not (home / "identity.json").exists():
            await self._join(agent, home)
        references = agent.references.absolute() if agent.references else home / "references"
        program = await Program.start(
            agent.name,
            [sys.executable, "-m", "agent", "run", "--state", str(home)],
            log=self.state.log(agent.name),
            environment={
                "MUSTER_AGENT_REFERENCES": str(references),
                "MUSTER_AGENT_ON_STOP": "end",
                **agent.environment,
            },
        )
        self._programs[agent.name] = program
        self.state.started(agent.name, program.pid)
        await program.ready()
        labels = ", ".join(f"{key}={value}" for key, value in agent.labels.items())
        self.say(f"agent {agent.name}: connected{f' ({labels})' if labels else ''}")

    async def _join(self, agent: LocalAgent, home: Path) -> None:
        new = NewAgent(name=agent.name, labels=dict(agent.labels), max_concurrent=agent.max_concurrent)
        async with Muster(self.endpoint.url, self.endpoint.token) as client:
            invitation = await client.invite(new)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "agent", "join", "--state", str(home)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate(invitation.join.encode())
        if process.returncode:
            raise ProgramFailed(f"agent {agent.name} could not join: {said.decode(errors='replace').strip()}")

    def program(self, name: str) -> Program:
        """One of the running programs."""
        return self._programs[name]

    async def supervise(self) -> None:
        """Start again what dies, for ever. Cancel it to stop supervising."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep("control-plane", self.start_control_plane))
            for agent in self.agents:
                group.create_task(self._keep(agent.name, partial(self.start_agent, agent)))

    async def _keep(self, name: str, again: Callable[[], Awaitable[None]]) -> None:
        delay = RESTART_AFTER
        while True:
            code = await self._programs[name].ended()
            self.say(f"{name} ended (exit code {code}); starting it again")
            await asyncio.sleep(delay)
            try:
                await again()
                delay = RESTART_AFTER
            except (ProgramFailed, ClientError, OSError) as error:
                self.say(f"{name} did not start: {error}")
                delay = min(delay * 2, 10)

    async def stop(self) -> None:
        """Stop the agents, then the control plane. What still ran in an agent goes with it."""
        agents = [program for name, program in self._programs.items() if name != "control-plane"]
        await asyncio.gather(*(program.stop() for program in agents))
        if (control_plane := self._programs.get("control-plane")) is not None:
            await control_plane.stop()
        self._programs.clear()


def _ports(path: Path) -> dict[str, str]:
    """The ports of this state directory as settings: as written before, else free ones, written down."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return _settings({name: int(port) for name, port in json.loads(path.read_text()).items()})
    sockets = {name: socket.socket() for name in ("grpc", "web", "enrol")}
    for each in sockets.values():
        each.bind(("127.0.0.1", 0))
    ports = {name: each.getsockname()[1] for name, each in sockets.items()}
    for each in sockets.values():
        each.close()
    write_private(path, json.dumps(ports))
    return _settings(ports)


def _hint(ports: Mapping[str, str], state: LocalState) -> str:
    """What to do where another program took one of our ports."""
    for port in ports.values():
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: what lingers holds nothing
            try:
                probe.bind(("127.0.0.1", int(port)))
            except OSError:
                return (
                    f"\n  The agents of {state.directory} know this control plane by its ports: free port {port}, or "
                    "start another muster on another state directory: muster up --state DIR"
                )
    return ""


def _settings(ports: Mapping[str, int]) -> dict[str, str]:
    return {f"MUSTER_{name.upper()}_PORT": str(port) for name, port in ports.items()}


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def end_leftovers(state: LocalState, patience: float = 10.0) -> list[str]:
    """End what a killed supervisor left running, each within ``patience`` seconds by itself, then by force; the
    names."""
    left = state.leftovers()
    for pid in left.values():
        await asyncio.to_thread(end, pid, patience)
    return list(left)


def forget(state: LocalState) -> None:
    """Remove a state directory and all that was ever run there."""
    shutil.rmtree(state.directory, ignore_errors=True)
