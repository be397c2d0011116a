"""A step that prints as fast as it is let: what that costs, and what others feel of it.

Two environments. In one a step floods, first as it is, then with secrets that must be masked; in the other a step
prints the time, four times a second, and a watcher compares it with his. Nothing is cut: a flood is slowed to what the
control plane makes durable, so it fills disks instead of memory.
"""

from __future__ import annotations

import asyncio
import os
import time
from base64 import b64encode
from pathlib import Path

from muster.client import Muster
from muster.local import LocalState, LocalSystem
from muster.local.system import LocalAgent
from tests.bench.plane import memory_of
from tests.bench.start import ended
from tests.bench.table import Row, alone, p99, spread
from tests.bench.tail import delays
from workflow.views import NewRun

SIZE = 400_000_000
"""Bytes of one flood."""
LINES = 40
LINE = (
    "2026-01-01T00:00:00Z INFO a line of a log with words in it, as long as lines of logs are, and then a little longer"
)
WORKFLOW = f"""\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {{name: flood}}
spec:
  steps:
    - name: Flood
      SECRETS
      shell: yes '{LINE}' | head -c {SIZE}
"""
PLAIN = WORKFLOW.replace("      SECRETS\n", "")
MASKED = WORKFLOW.replace("SECRETS", "container: {envFrom: [{secretRef: {name: keys}}]}")
TIMES = f"""\
apiVersion: testworkflows.testkube.io/v1
kind: TestWorkflow
metadata: {{name: times}}
spec:
  steps:
    - name: Print the time
      shell: |
        python3 -uc 'import time
        for _ in range({LINES}): print(time.time()); time.sleep(0.25)'
"""
GROWTH, LATE, DEARER = 64.0, 1.0, 0.10


async def measure(folder: Path) -> list[Row]:
    """The figures."""
    keys = folder / "references" / "secrets" / "keys"
    keys.mkdir(parents=True)
    (keys / "key.pem").write_text("\n".join(b64encode(os.urandom(48)).decode() for _ in range(26)))
    (keys / "token").write_text(os.urandom(16).hex())
    agents = (
        LocalAgent("flooding", {"environment": "flooding"}, references=folder / "references"),
        LocalAgent("quiet", {"environment": "quiet"}),
    )
    system = await LocalSystem.start(LocalState(folder / "state"), agents)
    try:
        async with Muster(system.endpoint.url, system.endpoint.token) as client:
            rows, plain = await _flooded(system, client, PLAIN, "as it is")
            more, masked = await _flooded(system, client, MASKED, "with 27 lines of secrets")
        cost = masked / plain - 1
        masking = Row("masking: processor time, all programs", f"{cost:+8.0%}", f"<= {DEARER:.0%}", cost <= DEARER)
        return [*rows, *more, masking]
    finally:
        await system.stop()


async def _flooded(system: LocalSystem, client: Muster, document: str, title: str) -> tuple[list[Row], float]:
    """Rows of one flood, and the processor time that a megabyte of it took in all of our programs."""
    pids = {name: system.program(name).pid for name in ("control-plane", "flooding", "quiet")}
    before = {name: memory_of(pid) for name, pid in pids.items()}
    used = {name: _busy(pid) for name, pid in pids.items()}
    began = time.perf_counter()
    watching = asyncio.get_running_loop().create_task(_watched(pids, system.state.agent("flooding")))
    times = await client.submit(NewRun(document=TIMES, target={"match": {"environment": "quiet"}}))
    flood = await client.submit(NewRun(document=document, target={"match": {"environment": "flooding"}}))
    late, _ = await asyncio.gather(delays(client, times.id), ended(client, flood.id))
    watching.cancel()
    most, conducting = await watching
    size, taken = SIZE / 1e6, time.perf_counter() - began
    busy = sum(_busy(pid) - used[name] for name, pid in pids.items()) + conducting
    grown = most["control-plane"] - before["control-plane"]
    rows = [
        Row(f"a flood {title}: taken", f"{size / taken:8.0f} MB/s, {busy / size * 1e3:.1f} ms of processor a MB"),
        Row("  control plane grew by", f"{grown:8.0f} MB", f"<= {GROWTH:.0f} MB", grown <= GROWTH),
        Row("  agent grew by", f"{most['flooding'] - before['flooding']:8.0f} MB"),
        Row("  its conductor's most", f"{most.get('conductor', 0):8.0f} MB"),
        Row("  lines of another step", spread(late), f"p99 <= {LATE:.0f} s", p99(late) <= LATE),
    ]
    return rows, busy / size


async def _watched(pids: dict[str, int], home: Path) -> tuple[dict[str, float], float]:
    """Until cancelled: the most memory of each, and the conductor's processor time."""
    most, conducting = dict.fromkeys(pids, 0.0), 0.0
    try:
        while True:
            for name, pid in {**pids, **_conductor(home)}.items():
                most[name] = max(most.get(name, 0.0), memory_of(pid))
                conducting = _busy(pid) if name == "conductor" else conducting
            await asyncio.sleep(0.2)
    except asyncio.CancelledError:
        return most, conducting


def _conductor(home: Path) -> dict[str, int]:
    """The process that has a journal of this agent open."""
    for entry in Path("/proc").iterdir():
        try:
            held = [os.readlink(each) for each in (entry / "fd").iterdir()] if entry.name.isdigit() else []
        except OSError:
            continue
        if any(path.startswith(str(home)) and "/journal/" in path for path in held):
            return {"conductor": int(entry.name)}
    return {}


def _busy(pid: int) -> float:
    """Seconds of processor time that a process used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    alone("a flood", measure)
