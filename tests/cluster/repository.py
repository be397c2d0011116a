"""A git repository inside a cluster, for documents that clone one. Called by the tests of environments."""

from __future__ import annotations

import asyncio
import os

from tests.cluster.conftest import STARTED
from tests.cluster.fleet import Site

_SERVE = r"""
set -e
export HOME=/tmp
mkdir -p /tmp/site && cd /tmp/site
mkdir -p app other test/playwright/project
echo "hello from the repository" > app/hello.txt
echo unwanted > other/unwanted.txt
echo "{}" > test/playwright/project/package.json
git init -q -b main . && git add .
git -c user.name=Test -c user.email=test@example.com commit -qm First
exec git daemon --export-all --reuseaddr --base-path=/tmp --port=9418 /tmp
"""
SEEDS = "https://github.com/your-org/ai-generated-ui"
"""Where the seeds think that it is."""


async def served(site: Site) -> str:
    """Serve it from a pod of the site's namespace; its address, once it can be cloned. Clones of the seeds' repository
    are led there too."""
    restricted = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "runAsUser": 1001,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "git",
        "image": os.environ["MUSTER_TEST_IMAGE"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", _SERVE],
        "readinessProbe": {"tcpSocket": {"port": 9418}, "periodSeconds": 1},
        "securityContext": restricted,
    }
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "repository"}, "spec": {"containers": [container]}}
    await site.calls.create(f"{site.base}/pods", body)
    async with asyncio.timeout(STARTED):
        while (address := await _ready(site)) is None:
            await asyncio.sleep(0.2)
    repository = f"git://{address}/site"
    site.env = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository}.insteadOf",
        "GIT_CONFIG_VALUE_0": SEEDS,
    }
    return repository


async def _ready(site: Site) -> str | None:
    status = (await site.calls.get(f"{site.base}/pods/repository") or {}).get("status") or {}
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())
    return str(status["podIP"]) if ready else None
