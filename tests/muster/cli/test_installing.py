"""``muster agents install`` and ``uninstall`` at a prompt, with a cluster in this process."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from muster.install.invitation import Invitation, place, read
from tests.fakes.kubernetes.objects import Refusal
from tests.fakes.kubernetes.people import PeoplesApi
from tests.muster.cli.conftest import Prepared, Prompt

JOIN = Invitation(
    place("cp.example:7443", 0), place("cp.example:7444", 0), {"pin": "sha256:" + "0" * 64, "token": "t" * 40}
).join()
AGENT = "dev-runner"
SECRET = f"/api/v1/namespaces/muster/secrets/muster-agent-{AGENT}"
POLICY = f"/api/v1/namespaces/muster/configmaps/muster-agent-{AGENT}-policy"
DEPLOYMENT = f"/apis/apps/v1/namespaces/muster/deployments/muster-agent-{AGENT}"


@pytest.fixture
async def api() -> AsyncIterator[PeoplesApi]:
    """A cluster."""
    async with PeoplesApi().served() as served:
        assert isinstance(served, PeoplesApi)
        yield served


@pytest.fixture
def where(api: PeoplesApi, tmp_path: Path) -> tuple[str, ...]:
    """The words that name it."""
    return ("--kubeconfig", str(api.kubeconfig(tmp_path)))


async def joined(api: PeoplesApi) -> None:
    """As the agent does once it has taken its invitation."""
    identity = base64.b64encode(b"{}").decode()
    api.objects.merge(
        SECRET.rpartition("/")[0], f"muster-agent-{AGENT}", {"data": {"identity.json": identity, "invitation": None}}
    )


async def test_dry_run_needs_nobody_and_shows_no_token(muster: Prompt, tmp_path: Path) -> None:
    done = await muster(
        "agents", "install", AGENT, "--dry-run", "--join", given=JOIN + "\n", MUSTER_URL="http://127.0.0.1:9"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    kinds = [each["kind"] for each in yaml.safe_load_all(done.stdout)]
    assert kinds[0] == "Namespace" and kinds.count("ConfigMap") == 2 and "Secret" in kinds
    assert JOIN not in done.stdout and base64.b64encode(JOIN.encode()).decode() not in done.stdout
    done = await muster("agents", "install", AGENT, "--dry-run", "-o", "json", "--join", "--with-token", given=JOIN)
    (secret,) = [each for each in json.loads(done.stdout)["items"] if each["kind"] == "Secret"]
    assert base64.b64decode(secret["data"]["invitation"]).decode() == JOIN


async def test_an_agent_is_invited_put_there_and_waited_for(
    muster: Prompt, played: Prepared, api: PeoplesApi, where: tuple[str, ...]
) -> None:
    done = await muster("agents", "install", "--join", AGENT, *where, given=JOIN)
    assert done.exit_code == 0, done.stderr
    assert "namespace muster is made, under Pod Security `restricted`" in done.stderr
    assert done.stderr.endswith("dev-runner is there, and says that it is connected\n")
    assert read(base64.b64decode(api.objects.get(SECRET)["data"]["invitation"]).decode()).server.host == "cp.example"
    assert played.heard == []  # whoever brings a join string needs no control plane

    await joined(api)
    api.applied.clear()
    again = await muster("agents", "upgrade", AGENT, *where)
    assert again.exit_code == 0, again.stderr
    assert "dev-runner is connected" in again.stderr
    assert played.heard == []  # nobody is invited anew
    assert not [each for each in api.applied if each.startswith(("Secret/", "Namespace/"))]
    assert api.objects.get(DEPLOYMENT)["metadata"]["generation"] == 1  # nor does its pod start anew


async def test_a_policy_that_somebody_wrote_stays(
    muster: Prompt, api: PeoplesApi, where: tuple[str, ...], tmp_path: Path
) -> None:
    assert (await muster("agents", "install", "--join", AGENT, *where, given=JOIN)).exit_code == 0
    await joined(api)
    assert "images = [" in api.objects.get(POLICY)["data"]["policy.toml"]
    policy = tmp_path / "policy.toml"
    policy.write_text('images = ["mine/*"]\n')
    assert (await muster("agents", "install", AGENT, *where, "--policy", str(policy))).exit_code == 0
    assert (await muster("agents", "install", AGENT, *where)).exit_code == 0
    assert api.objects.get(POLICY)["data"]["policy.toml"] == 'images = ["mine/*"]\n'
    assert api.objects.get(DEPLOYMENT)["metadata"]["generation"] == 2
    settings = tmp_path / "settings.toml"
    settings.write_text('profile = "image"\n')
    assert (await muster("agents", "install", AGENT, *where, "--settings", str(settings))).exit_code == 0
    assert (await muster("agents", "install", AGENT, *where)).exit_code == 0
    config = api.objects.get(POLICY.removesuffix("-policy"))["data"]["cluster.toml"]
    assert 'profile = "image"' in config
    assert api.objects.get(DEPLOYMENT)["metadata"]["generation"] == 3
    policy.write_text("imges = []")
    done = await muster("agents", "install", AGENT, *where, "--policy", str(policy))
    assert (done.exit_code, "did you mean images?" in done.stderr) == (2, True)


async def test_an_agent_that_is_connected_from_elsewhere_is_not_doubled(
    muster: Prompt, played: Prepared, where: tuple[str, ...]
) -> None:
    done = await muster("agents", "install", AGENT, *where)
    assert (done.exit_code, "is connected from elsewhere" in done.stderr) == (2, True)
    assert played.heard == []


async def test_one_that_is_away_is_invited_with_the_labels_it_has(
    muster: Prompt, played: Prepared, api: PeoplesApi, where: tuple[str, ...]
) -> None:
    done = await muster("agents", "install", "staging-runner", *where, "--timeout", "1")
    assert played.heard == [("invite", "staging-runner", {"environment": "staging", "zone": "1"}, None)]
    assert done.exit_code == 2  # the world's invitation is no join string of ours
    assert "no join string" in done.stderr and api.applied == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody",), "the control plane knows no agent 'nobody'"),
        ((AGENT, "--context", "other"), "there is no context 'other'"),
        ((AGENT, "--namespace", "Not One"), "is no namespace"),
        (("x" * 60,), "at most 50 characters"),
        (("A B",), "agent name"),
    ],
)
async def test_words_that_do_not_fit(muster: Prompt, where: tuple[str, ...], words: tuple[str, ...], said: str) -> None:
    done = await muster("agents", "install", *words, *where)
    assert (done.exit_code, done.stderr[:7], said in done.stderr) == (2, "error: ", True), done.stderr


async def test_a_kubeconfig_that_is_none(muster: Prompt, tmp_path: Path) -> None:
    done = await muster("agents", "install", AGENT, "--kubeconfig", str(tmp_path / "none"))
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "there is no kubeconfig" in done.stderr


async def test_every_right_that_lacks_is_named_before_anything_is_done(
    muster: Prompt, api: PeoplesApi, where: tuple[str, ...]
) -> None:
    api.denied = {("patch", "roles"), ("create", "deployments")}
    done = await muster("agents", "install", "--join", AGENT, *where, given=JOIN)
    assert done.exit_code == 2
    assert "patch roles.rbac.authorization.k8s.io in namespace muster; create deployments.apps" in done.stderr
    assert api.applied == []


async def test_a_cluster_that_cannot_be_reached(muster: Prompt, api: PeoplesApi, tmp_path: Path) -> None:
    api.url = "http://127.0.0.1:9"
    done = await muster("agents", "install", "--join", AGENT, "--kubeconfig", str(api.kubeconfig(tmp_path)), given=JOIN)
    assert (done.exit_code, "cannot be reached" in done.stderr) == (3, True)


async def test_a_refusal_is_told_in_the_clusters_words(muster: Prompt, api: PeoplesApi, where: tuple[str, ...]) -> None:
    def refuse(collection: str, body: dict[str, object]) -> None:
        if collection.endswith("/deployments"):
            raise Refusal(403, "Forbidden", "admission webhook says: image not signed")

    api.objects.admission.append(refuse)
    done = await muster("agents", "install", "--join", AGENT, *where, given=JOIN)
    assert (done.exit_code, "image not signed" in done.stderr) == (2, True)


async def test_a_pod_that_cannot_start_is_told_at_once(muster: Prompt, api: PeoplesApi, where: tuple[str, ...]) -> None:
    waiting = {"waiting": {"reason": "ErrImageNeverPull", "message": "not on this node"}}
    api.ready, api.becomes = False, lambda: {"phase": "Pending", "containerStatuses": [{"state": waiting}]}
    done = await muster("agents", "install", "--join", AGENT, *where, given=JOIN)
    assert done.exit_code == 1
    assert "the agent cannot start: ErrImageNeverPull: not on this node" in done.stderr


async def test_uninstalled_nothing_is_left(
    muster: Prompt, played: Prepared, api: PeoplesApi, where: tuple[str, ...]
) -> None:
    assert (await muster("agents", "install", "--join", AGENT, *where, given=JOIN)).exit_code == 0
    done = await muster("agents", "uninstall", AGENT, *where)
    assert done.exit_code == 0, done.stderr
    assert (
        "1 Deployment, 2 NetworkPolicy, 1 RoleBinding, 1 Role, 1 ServiceAccount, 2 ConfigMap, 1 Secret" in done.stderr
    )
    assert "namespace muster held nothing else and goes too" in done.stderr
    assert played.heard == [("revoke", AGENT)]
    with pytest.raises(Refusal):
        api.objects.get("/api/v1/namespaces/muster")


async def test_what_is_not_ours_stays(
    muster: Prompt, played: Prepared, api: PeoplesApi, where: tuple[str, ...]
) -> None:
    assert (await muster("agents", "install", "--join", AGENT, *where, given=JOIN)).exit_code == 0
    api.objects.create("/api/v1/namespaces/muster/secrets", {"kind": "Secret", "metadata": {"name": "theirs"}})
    done = await muster("agents", "uninstall", AGENT, *where, "--keep")
    assert f"left: secret muster-agent-{AGENT}" in done.stderr
    assert played.heard == []
    done = await muster("agents", "uninstall", AGENT, *where)
    assert "left: namespace muster, which holds Secret theirs" in done.stderr


async def test_taken_away_though_no_control_plane_is_there(
    muster: Prompt, played: Prepared, api: PeoplesApi, where: tuple[str, ...]
) -> None:
    assert (await muster("agents", "install", "--join", AGENT, *where, given=JOIN)).exit_code == 0
    nobody = {"MUSTER_URL": "http://127.0.0.1:9"}
    assert (await muster("agents", "uninstall", AGENT, *where, **nobody)).exit_code == 3
    done = await muster("agents", "uninstall", AGENT, *where, "--offline", **nobody)
    assert (done.exit_code, "dev-runner is not revoked" in done.stderr) == (0, True), done.stderr
    with pytest.raises(Refusal):
        api.objects.get(DEPLOYMENT)
    assert played.heard == []
