"""An agent whose identity a Secret of its cluster keeps: it joins by what lies there, and its next pod is the same."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent.assembly import CannotStart, agent
from agent.link import identity
from agent.link.control import Link
from agent.settings import Settings, load
from tests.agent.link.test_enrolment import invited
from tests.control_plane.rpc.house import HELLO, NAME, House, house
from tests.fakes.kubernetes.objects import Refusal
from tests.fakes.kubernetes.people import PeoplesApi
from workflow.session import LinkDown

SECRETS, SECRET = "/api/v1/namespaces/muster/secrets", "muster-agent-me"


@dataclass
class Place:
    """A cluster with the agent's Secret, and a control plane."""

    api: PeoplesApi
    control: House
    folder: Path

    def settings(self, pod: str) -> Settings:
        """Of a pod that finds its state folder empty."""
        state = self.folder / pod
        state.mkdir()
        file = state / "cluster.toml"
        kubeconfig = self.api.kubeconfig(self.folder)
        file.write_text(
            f'namespace = "muster"\nimage = "i"\nidentity = "{SECRET}"\nkubeconfig = {json.dumps(str(kubeconfig))}\n'
        )
        return load(state, {"MUSTER_AGENT_EXECUTOR": "kubernetes"})

    def put(self, **data: str | None) -> None:
        """Into the Secret."""
        coded = {key: value and base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.api.objects.merge(SECRETS, SECRET, {"data": coded})

    @property
    def kept(self) -> dict[str, str]:
        """What the Secret holds."""
        held = self.api.objects.get(f"{SECRETS}/{SECRET}").get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in held.items()}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Both there, nobody joined."""
    api = PeoplesApi()
    async with api.served(), house(tmp_path / "control") as control, control.door():
        api.objects.create(SECRETS, {"kind": "Secret", "metadata": {"name": SECRET}})
        yield Place(api, control, tmp_path)


@asynccontextmanager
async def begun(place: Place, pod: str) -> AsyncIterator[Settings]:
    """A pod of the agent, as far as it has become somebody."""
    settings = place.settings(pod)
    async with agent(settings, "1", lambda _: None):
        yield settings


async def test_it_joins_by_the_invitation_and_its_next_pod_is_the_same(place: Place) -> None:
    place.put(invitation=await invited(place.control))
    async with begun(place, "one") as settings:
        first = identity.load(settings.state)
        assert first is not None and first.name == NAME
    assert set(place.kept) == {"identity.json"}  # the invitation is used up
    assert identity.read(place.kept["identity.json"]) == first
    async with begun(place, "two") as settings:
        assert identity.load(settings.state) == first


async def test_a_new_invitation_makes_it_somebody_new(place: Place) -> None:
    place.put(invitation=await invited(place.control))
    async with begun(place, "one"):
        before = place.kept
    place.put(invitation=await invited(place.control))
    async with begun(place, "two"):
        assert set(place.kept) == {"identity.json"} and place.kept != before


async def test_an_invitation_that_is_used_up_ends_nobody(place: Place) -> None:
    invitation = await invited(place.control)
    place.put(invitation=invitation)
    async with begun(place, "one") as settings:
        first = identity.load(settings.state)
    place.put(invitation=invitation)  # as a tool does that applies what it applied before
    async with begun(place, "two") as settings:
        assert identity.load(settings.state) == first


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "has not joined"),
        ({"invitation": "mj1.none"}, "no join string"),
        ({"identity.json": "{}"}, "damaged"),
        ({"identity.json": "no json"}, "damaged"),
    ],
)
async def test_what_cannot_be_is_a_sentence(place: Place, data: dict[str, str], said: str) -> None:
    place.put(**data)
    with pytest.raises(CannotStart, match=said):
        async with begun(place, "one"):
            pass


async def test_a_secret_that_may_not_be_read_is_a_sentence(place: Place) -> None:
    place.api.troubles.append(Refusal(403, "Forbidden", "secrets is forbidden"))
    with pytest.raises(CannotStart, match=r"secret muster/muster-agent-me .* cannot be read: .*secrets is forbidden"):
        async with begun(place, "one"):
            pass


async def test_a_renewed_identity_is_kept_before_it_is_used(place: Place) -> None:
    old = replace(await place.control.joined(), received=0.0)  # overdue
    kept: list[identity.Identity] = []
    failures = [LinkDown("the cluster is away")]

    async def keep(fresh: identity.Identity) -> None:
        assert link.identity == old
        if failures:
            raise failures.pop()
        kept.append(fresh)

    link = Link(place.folder / "state", old, keep)
    try:
        async with link.session(HELLO):
            assert link.identity == old  # it could not be kept: the old one goes on
        async with link.session(HELLO):
            assert [link.identity] == kept
    finally:
        await link.close()
