"""The official client, as little of it as does the work, and the rest of it for whoever asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HEAVY = ("pydantic", "oauthlib", "requests", "websocket", "kubernetes.client", "kubernetes.aio.client.api_client")
OURS = ("agent.executors.process.executor", "agent.conductor.host", "agent.link.enrolment", "httpx", "rich")

OPEN = """
import asyncio, sys
import agent.__main__
from agent.executors.kubernetes import client, opening
async def main():
    made = await client.outside(sys.argv[1], None)
    said = await client.credentials(made)
    print(made.configuration.host, dict(said)["authorization"])
    await made.close()
asyncio.run(main())
print(*sys.modules)
"""
ALL = """
import kubernetes.aio.client
from kubernetes.aio.client import ApiClient, CoreV1Api
from kubernetes.aio import config
import kubernetes
print(ApiClient.__name__, CoreV1Api.__name__, config.load_kube_config.__name__, kubernetes.client.V1Pod.__name__)
"""


def kubeconfig(folder: Path) -> str:
    """A file with a token."""
    path = folder / "config"
    cluster, user = {"server": "https://example.invalid:6443"}, {"token": "t0"}
    said = {
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(json.dumps(said))
    return str(path)


def program(text: str, *arguments: str) -> list[str]:
    """The lines that it prints."""
    run = subprocess.run([sys.executable, "-c", text, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_an_agent_with_pods_loads_little_of_it(tmp_path: Path) -> None:
    said, modules = program(OPEN, kubeconfig(tmp_path))
    assert said == "https://example.invalid:6443 Bearer t0"
    assert not set(modules.split()) & {*HEAVY, *OURS}


def test_the_rest_is_there_for_whoever_asks(tmp_path: Path) -> None:
    *_, said = program(OPEN + ALL, kubeconfig(tmp_path))
    assert said == "ApiClient CoreV1Api load_kube_config V1Pod"
