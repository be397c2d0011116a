"""The kubelet: a pod's containers as processes, in their order, with the pod's paths in a directory of its own.

The real conductor, the real gates. What a node would do with images, users and limits is left out.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.busybox import BUSYBOX
from tests.fakes.kubernetes.forked import Forked
from tests.fakes.kubernetes.objects import Object, Objects

Running = asyncio.subprocess.Process | Forked

_addresses = itertools.count(1)
_PATHS = ("/.tktw", "/muster-terms", "/muster-values", "/muster", "/data", "/testkube", "/tmp")


class Kubelet:
    """Runs what is in the store."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        self._objects = objects
        self._folder = folder
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._processes: dict[tuple[str, str], list[Running]] = {}
        self._ending: set[tuple[str, str]] = set()
        self.idle = False
        """Whether pods stay pending."""

    async def run(self) -> None:
        """Start every pod that appears."""
        seen: set[str] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                for path, pod in list(self._objects._held.items()):
                    collection, _, name = path.rpartition("/")
                    if collection.endswith("/pods") and pod["metadata"]["uid"] not in seen and not self.idle:
                        seen.add(pod["metadata"]["uid"])
                        self._running[collection, name] = tasks.create_task(self._pod(collection, name, pod))
                await asyncio.sleep(0.02)

    def deleting(self, collection: str, name: str, grace: int) -> None:
        """The pod is to end."""
        if (collection, name) not in self._running:
            self._objects.remove(collection, name)  # no container of it runs, nothing is waited for
            return
        self._ending.add((collection, name))
        for process in self._processes.get((collection, name), []):
            _signal(process, signal.SIGTERM if grace else signal.SIGKILL)
        asyncio.get_running_loop().call_later(grace and 1, self._kill, collection, name)

    def kill_conductor(self, name: str) -> None:
        """The conductor of this pod dies."""
        for (_, each), processes in self._processes.items():
            if each == name:
                _signal(processes[0], signal.SIGKILL)

    def _kill(self, collection: str, name: str) -> None:
        for process in self._processes.get((collection, name), []):
            _signal(process, signal.SIGKILL)

    async def _pod(self, collection: str, name: str, pod: Object) -> None:
        folder = self._folder / f"{name}-{pod['metadata']['uid']}"
        processes = self._processes[collection, name] = []
        address = f"127.{next(_addresses) % 100 + 100}.{os.getpid() % 250}.{next(_addresses) % 250 + 1}"
        try:
            self._lay(folder, collection.rpartition("/")[0], pod, address)
            conductor, *steps = pod["spec"]["containers"]
            hook = conductor["lifecycle"]["postStart"]["exec"]["command"]
            processes.append(await self._start(folder, conductor["command"]))
            await (await self._start(folder, hook)).wait()
            for container in steps:
                processes.append(await self._start(folder, container["command"]))  # noqa: PERF401 - known once it runs
            self._says(collection, name, "Running", pod, address)
            await self._conducted(folder, processes, conductor["command"], (collection, name))
            for process in processes[1:]:
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await process.wait()
                _signal(process, signal.SIGKILL)
                await process.wait()
            code = processes[0].returncode or 0
            self._says(collection, name, "Succeeded" if code == 0 else "Failed", pod, address)
            held = self._objects._held.get(f"{collection}/{name}")
            if held is not None and held["metadata"].get("deletionTimestamp"):
                self._objects.remove(collection, name)
        finally:
            for process in processes:
                _signal(process, signal.SIGKILL)
            self._processes.pop((collection, name), None)
            self._running.pop((collection, name), None)
            shutil.rmtree(folder, ignore_errors=True)

    async def _conducted(self, folder: Path, processes: list[Running], command: list[str], of: tuple[str, str]) -> None:
        """The conductor to its end; one that dies is started once more, as ``OnFailure`` wants it."""
        await processes[0].wait()
        if processes[0].returncode not in {0, -signal.SIGTERM.value} and of not in self._ending:
            processes[0] = await self._start(folder, command)
            await processes[0].wait()

    def _lay(self, folder: Path, base: str, pod: Object, address: str) -> None:
        for path in _PATHS:
            (folder / path.strip("/")).mkdir(parents=True)
        for volume in pod["spec"]["volumes"]:
            source = volume.get("secret")
            mounts = [m for c in pod["spec"]["containers"] for m in c["volumeMounts"] if m["name"] == volume["name"]]
            secret = self._objects._held.get(f"{base}/secrets/{source['secretName']}") if source else None
            if secret is not None and mounts and "subPath" not in mounts[0]:
                self._secret(folder, folder / mounts[0]["mountPath"].strip("/"), secret, address)

    def _secret(self, folder: Path, target: Path, secret: Object, address: str) -> None:
        target.mkdir(parents=True, exist_ok=True)
        values = {key: b64decode(value) for key, value in (secret.get("data") or {}).items()}
        values |= {key: value.encode() for key, value in (secret.get("stringData") or {}).items()}
        for key, value in values.items():
            (target / key).write_bytes(self._terms(folder, value, address) if key == "terms.json" else value)

    def _terms(self, folder: Path, value: bytes, address: str) -> bytes:
        """Paths of the pod become ours, and so does its address."""
        terms = json.loads(value)
        for name in ("own", "values", "work", "tools"):
            terms[name] = str(folder) + terms[name]
        terms["shared"] = [str(folder) + path for path in terms["shared"]]
        terms["listen"] = address
        return json.dumps(terms).encode()

    async def _start(self, folder: Path, command: list[str]) -> Running:
        words = [word.replace("/usr/local/bin/busybox", BUSYBOX) for word in command]
        words = [self._rewritten(folder, word).replace("$$", "$") for word in words]
        if words[0] == "python3":
            return Forked(words[-1])
        dying = [found, "--pdeathsig", "KILL"] if (found := shutil.which("setpriv")) else []  # with a killed test
        return await asyncio.create_subprocess_exec(
            *dying,
            *words,
            cwd=str(Path.cwd()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    def _rewritten(self, folder: Path, word: str) -> str:
        for path in ("/.tktw", "/muster-terms"):
            word = word.replace(path, f"{folder}{path}")
        return word.replace("/usr/local/lib/muster/tools", str(self._tools()))

    def _tools(self) -> Path:
        """What our image has for step containers, as far as this machine has it."""
        tools = self._folder / "tools"
        if not tools.exists():
            tools.mkdir(parents=True)
            shutil.copy(BUSYBOX, tools / "busybox")
            for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True).stdout.split():
                if applet != "busybox":
                    (tools / applet).symlink_to("busybox")
        return tools

    def _says(self, collection: str, name: str, phase: str, pod: Object, address: str) -> None:
        state: dict[str, Any] = (
            {"running": {}}
            if phase == "Running"
            else {"terminated": {"exitCode": 0 if phase == "Succeeded" else 1, "reason": "Error"}}
        )
        statuses = [
            {"name": each["name"], "state": state, "lastState": {}, "restartCount": 0}
            for each in pod["spec"]["containers"]
        ]
        ready = {"type": "Ready", "status": "True" if phase == "Running" else "False"}
        status = {"phase": phase, "podIP": address, "containerStatuses": statuses, "conditions": [ready]}
        self._objects.update(collection, name, lambda held: held.update(status=status))


def _signal(process: Running, number: signal.Signals) -> None:
    """To all of a container's processes that are in its session."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
