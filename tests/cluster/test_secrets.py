"""Secrets in a cluster: they reach the steps that name them, and stand nowhere else in clear."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlencode

from kubernetes.aio.stream import WsApiClient

from agent.conductor.pod.token import TOKEN
from agent.executors.kubernetes.naming import pod_name
from agent.executors.kubernetes.policy import Policy
from tests.agent.plans import plan
from tests.cluster.conftest import STARTED, ClusterBench, bench_on
from tests.cluster.test_logs import printed_by_the_conductor, program
from tests.cluster.test_steps import ends, shell
from workflow.identifiers import Attempt
from workflow.masking import STARS, forms
from workflow.plan.nodes import Clone, EnvVar, Json

CANARY = "canary-7f3b19d2c4"
LINES = [base64.b64encode(bytes((7 * n + k) % 256 for k in range(48))).decode() for n in range(12)]
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----", ""])
CORPUS = {
    "token": CANARY,
    "pem": PEM,
    "json": json.dumps({"auths": {"r.example": {"username": "someone1", "password": "p@ss w/ord+&=ü"}}}),
    "odd": "p@ss w/ord+&=\t\"quoted\\'",
    "short": "abc",
}
BINARY = bytes(range(128, 256)) * 2


async def secret(bench: ClusterBench, name: str, values: dict[str, str | bytes], kind: str = "Opaque") -> None:
    """Create one."""
    data = {k: base64.b64encode(v.encode() if isinstance(v, str) else v).decode() for k, v in values.items()}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "data": data}
    await bench.calls.create(f"{bench.base}/secrets", body)


def referred(name: str, key: str) -> dict[str, Json]:
    """A variable's source."""
    return {"secretKeyRef": {"name": name, "key": key}}


def standing(data: bytes) -> set[bytes]:
    """What of the corpus can be read in ``data``."""
    found = {form for value in CORPUS.values() for form in forms(value) if form in data}
    return found | ({BINARY} if BINARY in data else set())


SPELLING = """
import base64, json, os, sys, urllib.parse
def out(data):
    sys.stdout.buffer.write(data + b"|\\n"); sys.stdout.flush()
values = [v.encode("utf-8", "surrogateescape") for k, v in os.environ.items() if k.startswith("S_")]
values += [open(f"/mounted/{name}", "rb").read() for name in sorted(os.listdir("/mounted")) if name[0] != "."]
for v in values:
    out(v); out(urllib.parse.quote_from_bytes(v, safe="").encode())
    out(json.dumps(v.decode("utf-8", "replace")).encode())
    for n in range(3): out(base64.b64encode(b"x" * n + v + b"tail"))
    for line in v.splitlines(): out(b"<" + line + b">")
    for cut in range(1, min(len(v), 60)):
        os.write(1, v[:cut]); os.write(1, v[cut:] + b"\\n")
    for byte in v[:400]: os.write(1, bytes([byte]))
    os.write(2, v)
print("the end", len(values))
"""


async def test_the_corpus_is_masked_however_it_is_printed(bench: ClusterBench) -> None:
    await secret(bench, "pass", {**CORPUS, "binary": BINARY})
    env = tuple(EnvVar(f"S_{key}", value_from=referred("pass", key)) for key in CORPUS)
    pod: dict[str, Json] = {"volumes": [{"name": "m", "secret": {"secretName": "pass"}}]}
    run = program(SPELLING, env=env, volume_mounts=({"name": "m", "mountPath": "/mounted"},))
    attempt, held = await bench.submit(plan(run, pod=pod))
    await bench.control.until(lambda: held.finished is not None, STARTED)
    printed = held.output("", None)
    assert b"the end 11\n" in printed and printed.count(STARS) > 400
    assert standing(printed) == set()
    assert b"abc|" in printed  # what is that short is no secret
    journal = repr(held.records).encode()
    assert not any(value.encode() in journal for value in CORPUS.values() if len(value) > 3)
    assert standing(await printed_by_the_conductor(bench, pod_name(attempt))) == set()


async def test_a_secret_that_is_only_mounted_is_masked(bench: ClusterBench) -> None:
    await secret(bench, "file", {"token": CANARY, "other": "0ther-value"})
    await secret(bench, "more", {"token": f"second-{CANARY}"})
    some: dict[str, Json] = {"secretName": "more", "items": [{"key": "token", "path": "t"}]}
    pod: dict[str, Json] = {"volumes": [{"name": "a", "secret": {"secretName": "file"}}, {"name": "b", "secret": some}]}
    mounts: tuple[dict[str, Json], ...] = ({"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/b"})
    held = await bench.run(plan(shell("cat /a/token /a/other /b/t; echo", volume_mounts=mounts), pod=pod))
    assert held.output() == STARS * 3 + b"\n"


async def test_the_token_of_an_account_that_the_workflow_names_is_masked(kubeconfig: str, namespace: str) -> None:
    policy = Policy(service_accounts=("default",))
    async with bench_on(kubeconfig, namespace, policy=policy) as bench:
        script = f"cat {TOKEN}; echo; cut -c1-3 {TOKEN}; base64 -w0 {TOKEN}; echo"
        held = await bench.run(plan(shell(script), pod={"serviceAccountName": "default"}))
        assert held.output() == STARS + b"\neyJ\n" + STARS + b"\n"


LOOKING = """
import os, sys
word = sys.argv[1][::-1].encode()
for top in ("/muster", "/data", "/testkube", "/tmp", "/.tktw"):
    kind = [line.split()[2] for line in open("/proc/mounts") if line.split()[1] == top][-1]
    for folder, _, names in os.walk(top):
        for path in (os.path.join(folder, name) for name in names):
            if kind != "tmpfs" and os.path.isfile(path) and word in open(path, "rb").read(): print(path)
for pid in filter(str.isdigit, os.listdir("/proc")):
    if word in open(f"/proc/{pid}/cmdline", "rb").read(): print(pid)
print("looked")
"""
"""Where on a disk, and in which arguments, the word stands that it is given backwards."""


async def test_a_secret_stands_in_no_object_and_no_file_of_ours(bench: ClusterBench) -> None:
    """Looked for in the API's objects, the pod's processes, and what the conductor writes, while its step runs."""
    await secret(bench, "pass", {"token": CANARY})
    registry = json.dumps({"auths": {"r.example": {"auth": base64.b64encode(f"u:{CANARY}".encode()).decode()}}})
    await secret(bench, "pull", {".dockerconfigjson": registry}, "kubernetes.io/dockerconfigjson")
    env = (EnvVar("TOKEN", value_from=referred("pass", "token")),)
    script = """echo "$TOKEN"; echo '{{ secret("pass", "token") }}'; echo ready; sleep 60"""
    pull: dict[str, Json] = {"imagePullSecrets": [{"name": "pull"}]}
    attempt, held = await bench.submit(plan(shell(script, env=env), pod=pull))
    await bench.control.until(lambda: b"ready" in held.output() or held.finished is not None, STARTED)
    for kind in ("pods", "configmaps", "events", "persistentvolumeclaims", "services", "endpoints", "secrets"):
        listed = await bench.calls.get(f"{bench.base}/{kind}") or {}
        for item in listed["items"]:
            if kind == "secrets" and item["metadata"]["name"] in {"pass", "pull"}:
                continue
            data = [base64.b64decode(value) for value in (item.get("data") or {}).values()] if kind == "secrets" else []
            whole = json.dumps(item).encode() + b"".join(data)
            assert not any(form in whole for form in forms(CANARY)), f"{kind}/{item['metadata']['name']}"
    looked = await run_in(bench, attempt, "conductor", "python3", "-c", LOOKING, CANARY[::-1])
    assert looked == b"looked\n"
    arguments = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    seen = await run_in(bench, attempt, "step-1", "/.tktw/bin/busybox", "sh", "-c", arguments)
    assert b"gate" in seen and CANARY.encode() not in seen


async def test_git_credentials_reach_the_server_and_no_log(bench: ClusterBench) -> None:
    await secret(bench, "git", {"token": CANARY, "user": "someone1"})
    serving = """
import base64, http.server
class Asking(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        given = self.headers.get("Authorization", "")
        print(self.path, base64.b64decode(given.removeprefix("Basic "))[::-1], flush=True)
        body = b"you said " + given.encode()
        self.send_response(403 if given else 401)
        self.send_header("WWW-Authenticate", "Basic realm=x"); self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
http.server.HTTPServer(("", 8080), Asking).serve_forever()
"""
    server, heard = await bench.submit(plan(program(serving)))
    await bench.control.until(lambda: bool(heard.records), STARTED)
    pod = await bench.calls.get(f"{bench.base}/pods/{pod_name(server)}") or {}
    clone = Clone(
        f"http://{pod['status']['podIP']}:8080/x.git",
        username=EnvVar("U", value_from=referred("git", "user")),
        token=EnvVar("T", value_from=referred("git", "token")),
    )
    held = await bench.run(plan(clone))
    assert "could not be cloned" in ends(held)["1"].reason, ends(held)["1"].reason
    await bench.control.until(lambda: f"someone1:{CANARY}"[::-1].encode() in heard.output())
    told = repr(held.records).encode()
    assert not any(form in told for form in forms(CANARY))


async def run_in(bench: ClusterBench, where: Attempt, container: str, *argv: str) -> bytes:
    """What a command prints in a container, as ``kubectl exec`` shows it."""
    client = WsApiClient(bench.calls.client.configuration)  # type: ignore[no-untyped-call]
    words = [("command", word) for word in argv]
    query = urlencode([("container", container), ("stdout", "true"), ("stderr", "true"), *words])
    path = f"{bench.base}/pods/{pod_name(where)}/exec?{query}"
    request = await client.param_serialize("GET", path, auth_settings=["BearerToken"])
    answer = await client.call_api(*request)  # type: ignore[no-untyped-call]
    await client.close()  # type: ignore[no-untyped-call]
    data: bytes = answer.data
    return data
