"""An agent put into a cluster, or brought up to date there: each step says what it does, and may be repeated.

Called by ``muster agents install``. Nothing is changed before everything was checked. What already holds stays: an
agent that joined keeps who it is, and a policy that somebody wrote is not written over.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from muster.install.cluster import Cluster, Right
from muster.install.invitation import led
from muster.install.manifests import INVITED, SETTINGS, Install, agent_manifests, mark, namespace, selected
from muster.install.nodes import choice, chosen_before
from muster.install.problems import FAILED, INVALID, InstallProblem
from muster.install.waiting import Say, Waiting
from workflow.views import AgentView

_APPLIED: Final = ("ServiceAccount", "Role", "RoleBinding", "Secret", "ConfigMap", "Deployment", "NetworkPolicy")
_ENFORCE: Final = "pod-security.kubernetes.io/enforce"


class Fleet(Protocol):
    """What an installation asks of the control plane."""

    async def agent(self, name: str) -> AgentView | None:
        """As the control plane knows it; None: it does not."""
        ...

    async def invite(self, agent: AgentView) -> str:
        """A fresh join string for it, with the labels that it has."""
        ...

    async def connected(self, name: str, seconds: float) -> AgentView | None:
        """Wait until it is connected; None after ``seconds``."""
        ...


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for beside the manifests."""

    control_plane: str | None = None
    enrol: str | None = None
    """Addresses for pods, where the control plane's own are not theirs."""
    join: str = ""
    """A join string that somebody brought; empty: the control plane is asked for one where one is needed."""
    keep_policy: bool = True
    keep_settings: bool = True
    """Of what was written by a person and is there already."""
    seconds: float = 180


@dataclass(frozen=True, slots=True)
class Found:
    """What is in the cluster already."""

    namespace: Mapping[str, Any] | None
    secret: Mapping[str, Any] | None
    config: Mapping[str, Any] | None
    guard: Mapping[str, Any] | None
    deployment: Mapping[str, Any] | None

    @property
    def joined(self) -> bool:
        """Whether an identity is kept here."""
        return bool(((self.secret or {}).get("data") or {}).get("identity.json"))

    @property
    def invited(self) -> str:
        """By which invitation the agent joined, or is to join."""
        template = ((self.deployment or {}).get("spec") or {}).get("template") or {}
        return str(((template.get("metadata") or {}).get("annotations") or {}).get(INVITED, ""))


async def install(cluster: Cluster, fleet: Fleet | None, wanted: Install, wish: Wish, say: Say) -> AgentView | None:
    """The agent, connected; None where there is no control plane to ask. InstallProblem."""
    view = None if fleet is None else await fleet.agent(wanted.name)
    if fleet is not None and view is None:
        raise InstallProblem(
            f"the control plane knows no agent {wanted.name!r}",
            f"first: muster agents create {wanted.name} --label environment=...",
            INVALID,
        )
    await check_rights(cluster, wanted)
    found = await look(cluster, wanted)
    invitation = wish.join or await _invitation(fleet, view, found, wish, say)
    if invitation:
        invitation = led(invitation, wish.control_plane, wish.enrol)
        wanted = replace(wanted, invitation=invitation, invited=mark(invitation))
    else:
        wanted = replace(wanted, invited=found.invited)
    wanted = await _fitted(cluster, _kept(wanted, found, wish), found, say)
    await _placed(cluster, wanted, found, say)
    for body in agent_manifests(wanted)[1:]:
        await cluster.apply(body)
    say(f"{wanted.title} is in namespace {wanted.namespace} of {cluster.name}")
    return await _come(cluster, fleet, wanted, wish, say)


def _kept(wanted: Install, found: Found, wish: Wish) -> Install:
    """What somebody wrote stays, where nothing else is said."""
    policy = ((found.guard or {}).get("data") or {}).get("policy.toml")
    if policy is not None and wish.keep_policy:
        wanted = replace(wanted, policy=str(policy))
    settings = ((found.config or {}).get("data") or {}).get(SETTINGS)
    if settings is not None and wish.keep_settings:
        wanted = replace(wanted, settings=str(settings))
    return wanted


async def _fitted(cluster: Cluster, wanted: Install, found: Found, say: Say) -> Install:
    """Made for the nodes that there are, where no setting says otherwise and one may see them."""
    if "tools" in tomllib.loads(wanted.settings):
        return wanted
    before = chosen_before(found.config)
    if await cluster.lacking([Right("list", "Node")]):
        return replace(wanted, tools=before)
    made = choice(await cluster.all("Node"))
    if made.tools != before:
        say(f"pods get their tools by {made.tools}: {made.why}")
    return replace(wanted, tools=made.tools)


async def check_rights(cluster: Cluster, wanted: Install) -> None:
    """Say all that this person may not do before anything is done. InstallProblem."""
    space = wanted.namespace
    rights = [Right("get", "Namespace"), *(Right("patch", kind, space) for kind in _APPLIED)]
    rights += [Right("create", kind, space) for kind in _APPLIED]
    rights += [Right("get", kind, space) for kind in ("Secret", "ConfigMap", "Deployment")]
    rights += [Right("list", "Pod", space)]
    lacking = await cluster.lacking(rights)
    if lacking:
        raise InstallProblem(
            f"in {cluster.name} you lack rights: {'; '.join(map(str, lacking))}",
            "somebody who has them can apply what --dry-run -o yaml prints",
            INVALID,
        )


async def look(cluster: Cluster, wanted: Install) -> Found:
    """What is there already. InstallProblem where the namespace is going away."""
    space = await cluster.get("Namespace", wanted.namespace)
    if space is None:
        return Found(None, None, None, None, None)
    if (space.get("status") or {}).get("phase") == "Terminating":
        raise InstallProblem(f"namespace {wanted.namespace} is being deleted; wait until it is gone", code=INVALID)
    return Found(
        space,
        await cluster.get("Secret", wanted.title, wanted.namespace),
        await cluster.get("ConfigMap", wanted.title, wanted.namespace),
        await cluster.get("ConfigMap", wanted.guard, wanted.namespace),
        await cluster.get("Deployment", wanted.title, wanted.namespace),
    )


async def _invitation(fleet: Fleet | None, view: AgentView | None, found: Found, wish: Wish, say: Say) -> str:
    """A fresh one where the agent has no identity here that holds; empty where it has. InstallProblem."""
    if fleet is None or view is None:
        return ""
    if view.state == "revoked":
        raise InstallProblem(
            f"agent {view.name} was revoked", f"create it anew: muster agents create {view.name} ...", INVALID
        )
    if found.joined and view.state != "invited":
        if wish.control_plane or wish.enrol:
            say("the agent joined already and keeps the address by which it did")
        return ""
    if view.connected:
        raise InstallProblem(
            f"agent {view.name} is connected from elsewhere ({view.executor or 'unknown'} executor), and there is "
            "one agent of a name",
            f"stop it there, or choose another name; muster agents revoke {view.name} ends it for good",
            INVALID,
        )
    return await fleet.invite(view)


async def _placed(cluster: Cluster, wanted: Install, found: Found, say: Say) -> None:
    """See to the namespace. One that was there is not changed."""
    if found.namespace is None:
        await cluster.create(namespace(wanted))
        say(f"namespace {wanted.namespace} is made, under Pod Security `restricted`")
        return
    level = (found.namespace["metadata"].get("labels") or {}).get(_ENFORCE)
    if level != "restricted":
        say(
            f"note: namespace {wanted.namespace} is under Pod Security {level or 'of no level'}; for the strictest: "
            f"kubectl label namespace {wanted.namespace} {_ENFORCE}=restricted --overwrite"
        )


async def _come(cluster: Cluster, fleet: Fleet | None, wanted: Install, wish: Wish, say: Say) -> AgentView | None:
    selector = ",".join(f"{key}={value}" for key, value in selected(wanted).items())
    await Waiting(cluster, wanted.namespace, wanted.title, selector).there(wish.seconds, say)
    if fleet is None:
        return None
    view = await fleet.connected(wanted.name, 30)
    if view is None:
        raise InstallProblem(
            f"the agent's pod says that it is connected, and the control plane does not see agent {wanted.name}",
            "does it speak with another control plane? muster agents list",
            FAILED,
        )
    return view
