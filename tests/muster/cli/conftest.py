"""A control plane in memory, really served, and ``muster`` called as at a prompt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from control_plane.ports.records import Actor
from muster.cli.app import app
from tests.control_plane.web.server import TOKEN, Played, application, served
from tests.control_plane.world import World
from workflow.identifiers import RunId
from workflow.views import NewRun


@dataclass
class Prepared(Played):
    """Submissions give the run ``prepared``, where there is one."""

    prepared: RunId | None = None

    async def submit(self, new: NewRun, actor: Actor) -> RunId:
        """As the base, or the prepared one."""
        if self.prepared is None:
            return await super().submit(new, actor)
        self.hear("submit", new, actor.name)
        return self.prepared


@dataclass
class Prompt:
    """Calls ``muster`` with an address and a token in its environment, and looks that no traceback is shown."""

    url: str
    env: dict[str, str] = field(default_factory=dict)

    async def __call__(self, *words: str, given: bytes | str | None = None, **env: str) -> Result:
        """Call it with these words; ``given`` is its standard input."""
        around = {"MUSTER_URL": self.url, "MUSTER_TOKEN": TOKEN, **self.env, **env}
        done = await asyncio.to_thread(CliRunner().invoke, app, list(words), input=given, env=around)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert "Traceback" not in done.output
        assert "this is a bug in muster" not in done.stderr
        assert "\x1b" not in done.output
        return done

    async def json(self, *words: str, **env: str) -> Any:
        """What it prints as JSON."""
        done = await self(*words, "--output", "json", **env)
        return json.loads(done.stdout)


@pytest.fixture
async def world() -> World:
    """Three agents, no run."""
    return await World().populate()


@pytest.fixture
def played(world: World) -> Prepared:
    """What the writing services hear."""
    return Prepared(world)


@pytest.fixture
async def muster(world: World, played: Prepared) -> AsyncIterator[Prompt]:
    """``muster`` with a control plane."""
    async with served(application(world, played)) as url:
        yield Prompt(url)
