"""How pods get their tools is decided by the node that can do the least."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from muster.install.manifests import Install, cluster_file
from muster.install.nodes import choice, chosen_before


def node(kubelet: str, runtime: str, name: str = "a") -> dict[str, Any]:
    """As the API server shows it, in part."""
    info = {"kubeletVersion": kubelet, "containerRuntimeVersion": runtime}
    return {"metadata": {"name": name}, "status": {"nodeInfo": info}}


NEW = node("v1.36.2", "containerd://2.2.0")


@pytest.mark.parametrize(
    ("nodes", "tools", "why"),
    [
        ([NEW, node("v1.35.0-eks-1", "containerd://2.10.1+x")], "image", "every node has Kubernetes 1.35"),
        ([NEW, node("v1.34.9", "containerd://2.2.0", "old")], "hook", "node old has Kubernetes v1.34.9"),
        ([node("v1.36.0", "containerd://2.1.4")], "hook", "node a has containerd 2.1.4"),
        ([node("v1.36.0", "containerd://1.7.27")], "hook", "node a has containerd 1.7.27"),
        ([NEW, node("v1.36.0", "cri-o://1.36.0", "b")], "hook", "node b has cri-o 1.36.0"),
        ([NEW, {"metadata": {"name": "c"}}], "hook", "node c has Kubernetes of no known version"),
        ([node("v1.36.0", "")], "hook", "node a has no known runtime"),
        ([], "hook", "there is no node yet"),
    ],
)
def test_the_choice(nodes: list[dict[str, Any]], tools: str, why: str) -> None:
    made = choice(nodes)
    assert (made.tools, made.why.startswith(why)) == (tools, True), made.why


def test_it_is_written_unless_somebody_says_otherwise_and_found_again() -> None:
    made = cluster_file(Install("prod", "muster", "m", tools="image"))
    assert tomllib.loads(made)["tools"] == "image"
    assert chosen_before({"data": {"cluster.toml": made}}) == "image"
    own = cluster_file(Install("prod", "muster", "m", tools="image", settings='tools = "init"\n'))
    assert tomllib.loads(own)["tools"] == "init"
    assert "tools" not in tomllib.loads(cluster_file(Install("prod", "muster", "m")))


@pytest.mark.parametrize("config", [None, {}, {"data": None}, {"data": {"cluster.toml": "a = ["}}])
def test_nothing_was_chosen_before(config: dict[str, Any] | None) -> None:
    assert chosen_before(config) == ""
