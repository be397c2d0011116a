"""A whole system for the scenarios: a control plane, three agents, their secrets, a repository to clone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent

HERE = Path(__file__).parent
ENVIRONMENTS = ("dev", "staging", "prod")


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small git repository: app/hello.txt, other/, and what the sharding seed wants to find."""
    folder = tmp_path_factory.mktemp("repository")
    for name, text in {
        "app/hello.txt": "hello from the repository\n",
        "other/unwanted.txt": "unwanted\n",
        "test/playwright/project/package.json": "{}\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    for command in (("init", "-q", "-b", "main"), ("add", "."), (*author, "commit", "-qm", "First")):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Secrets and config maps as they stand in each environment."""
    folder = tmp_path_factory.mktemp("environments")
    for name in ENVIRONMENTS:
        for path, value in {
            "secrets/api/token": f"s3cr3t-value-of-{name}",
            "configmaps/settings/region": f"{name}-region",
        }.items():
            (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / name / path).write_text(value)
    return folder


@pytest.fixture(scope="session")
def agent_environment(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> dict[str, str]:
    """What the agents' machines are like: stand-ins for npm and npx, and a network in which the seeds' repository is
    this one.
    """
    config = tmp_path_factory.mktemp("git") / "config"
    config.write_text(
        f'[url "file://{repository}"]\n\tinsteadOf = https://github.com/your-org/ai-generated-ui\n'
        "[safe]\n\tdirectory = *\n"
    )
    return {
        "PATH": f"{HERE / 'bin'}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": str(config),
        "MUSTER_AGENT_PASS_ENV": "GIT_CONFIG_GLOBAL",
    }


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def system(
    tmp_path_factory: pytest.TempPathFactory, references: Path, agent_environment: dict[str, str]
) -> AsyncIterator[LocalSystem]:
    """The system, shared by all scenarios of a process."""
    agents = tuple(
        LocalAgent(f"{name}-runner", {"environment": name}, references / name, environment=agent_environment)
        for name in ENVIRONMENTS
    )
    running = await LocalSystem.start(LocalState(tmp_path_factory.mktemp("system")), agents)
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def client(system: LocalSystem) -> AsyncIterator[Muster]:
    """A client of the system."""
    async with Muster(system.endpoint.url, system.endpoint.token) as muster:
        yield muster
