"""What an artifact may be called."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from tests.agent.conftest import bench_in
from tests.agent.plans import plan
from workflow.journal import Stream
from workflow.plan.nodes import Container, EnvVar, Json, Run, SaveArtifacts


async def test_a_name_that_holds_a_secret_is_left_out(tmp_path: Path) -> None:
    secret = "hunter2-hunter2"
    source: dict[str, Json] = {"secretKeyRef": {"name": "s", "key": "k"}}
    script = 'cd /data; touch good "bad-$K" "$(printf %s "$K" | base64)"'
    run = Run(Container(env=(EnvVar("K", value_from=source),)), script)
    async with bench_in(tmp_path, values={"secrets/s/k": secret}) as bench:
        held = await bench.run(plan(run, SaveArtifacts(("**",))))
        assert [offer.name for offer, _ in bench.control.stored] == ["good"]
        assert b"'bad-*****' is left out: its name holds a secret" in held.output("2", Stream.SYSTEM)
        told = repr(held.records)
        assert secret not in told and b64encode(secret.encode()).decode() not in told
