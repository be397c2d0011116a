"""The image's recipe: what it installs is what was tested, and it is what the manifests expect."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from muster.install.manifests import Install, agent_manifests
from tests.deploy.rendering import DEPLOY

RECIPE = (DEPLOY / "image" / "Dockerfile").read_text()


def pinned(file: Path) -> dict[str, str]:
    """Package -> version."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", file.read_text(), re.MULTILINE))


def test_the_image_holds_what_was_tested_and_no_tool_of_developers() -> None:
    image, tested = pinned(DEPLOY / "image" / "requirements.lock"), pinned(DEPLOY.parent / "requirements.lock")
    assert image.items() <= tested.items()
    assert not {"pytest", "mypy", "ruff", "hypothesis", "grpcio-tools"} & set(image)
    assert {"kubernetes", "grpcio", "uvicorn", "cryptography"} <= set(image)


def test_every_package_is_checked_against_its_hash() -> None:
    text = (DEPLOY / "image" / "requirements.lock").read_text()
    for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]
    assert "--require-hashes" in RECIPE


def test_the_images_user_is_the_manifests_user() -> None:
    (user,) = re.findall(r"^USER (\d+):(\d+)$", RECIPE, re.MULTILINE)
    pods = [
        each["spec"]["template"]["spec"]
        for each in agent_manifests(Install("a", "b", "c"))
        if each["kind"] == "Deployment"
    ]
    pods += [
        each["spec"]["template"]["spec"]
        for each in yaml.safe_load_all((DEPLOY / "kubernetes" / "control-plane" / "control-plane.yaml").read_text())
        if each["kind"] == "StatefulSet"
    ]
    assert len(pods) == 2
    for pod in pods:
        context = pod["securityContext"]
        assert (str(context["runAsUser"]), str(context["runAsGroup"])) == user


def test_nothing_of_the_recipe_is_of_one_architecture() -> None:
    assert not re.search(
        r"amd64|arm64|x86_64|aarch64", "\n".join(each for each in RECIPE.splitlines() if each[:1] != "#")
    )
