"""``muster agents install | upgrade | uninstall``: agents in clusters. Speaks with the control plane over HTTP, with
clusters through muster.install.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from muster import __version__
from muster.cli.outcome import Usage, err, fail, out_console, runs
from muster.cli.where import State, Url, muster
from muster.client import Muster
from muster.install.guard import STRICT, checked, checked_settings
from muster.install.invitation import led
from muster.install.manifests import Install, agent_manifests, mark
from muster.install.printing import as_json, as_yaml, redacted
from muster.install.problems import INVALID, InstallProblem
from workflow.identifiers import agent_name
from workflow.terminal import one_line
from workflow.views import AgentView, NewAgent

if TYPE_CHECKING:
    from muster.install.cluster import Cluster
    from muster.install.installing import Wish

IMAGE = f"muster:{__version__}"
"""As deploy/image/Dockerfile is built; clusters pull it from where somebody pushed it: ``--image``."""
_WORDS = 1000
_ASK = 0.5
_LONGEST_NAMESPACE = 63
_LONGEST = _LONGEST_NAMESPACE - len("muster-agent-")

Name = Annotated[str, typer.Argument(help="The agent's name.")]
Context = Annotated[str | None, typer.Option("--context", help="Of the kubeconfig.  [default: its current one]")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Of the agent and of what it runs.")]
Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", help="[default: KUBECONFIG, else ~/.kube/config]", show_default=False)
]
Seconds = Annotated[float, typer.Option("--timeout", min=1, metavar="SECONDS", help="How long to wait.")]


class Manifest(StrEnum):
    """What ``--dry-run`` prints."""

    YAML = "yaml"
    JSON = "json"


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.command("install")(install)
    parent.command("upgrade", help="The same as `install`: what is installed already is brought up to date.")(install)
    parent.command("uninstall")(uninstall)


def install(
    name: Name,
    context: Context = None,
    namespace: Namespace = "muster",
    kubeconfig: Kubeconfig = None,
    image: Annotated[str, typer.Option(envvar="MUSTER_IMAGE", help="Image with Muster in it.")] = IMAGE,
    control_plane: Annotated[
        str | None,
        typer.Option("--control-plane", metavar="HOST[:PORT]", help="Where pods reach it, if it differs."),
    ] = None,
    enrolment: Annotated[
        str | None, typer.Option(metavar="HOST[:PORT]", help="Where pods join, if that differs too.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="Rules that guard the cluster (TOML).  [default: those that are there, else strict]"),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(help="More of cluster.toml: profile, patience, pod, ...  [default: those that are there]"),
    ] = None,
    pull_policy: Annotated[str | None, typer.Option(help="imagePullPolicy of the image.")] = None,
    pull_secret: Annotated[list[str] | None, typer.Option(help="Secret with a registry's credentials.")] = None,
    join: Annotated[
        bool, typer.Option("--join", help="The join string comes on standard input; no control plane is asked.")
    ] = False,
    timeout: Seconds = 180,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing: print the manifests.")] = False,
    output: Annotated[Manifest, typer.Option("--output", "-o", help="How --dry-run prints them.")] = Manifest.YAML,
    with_token: Annotated[bool, typer.Option("--with-token", help="Print what --join read, too.")] = False,
    url: Url = None,
    state: State = None,
) -> None:
    """Put an agent that `create` made into a cluster, or bring it up to date there; waits until it is connected."""
    with_policy = STRICT if policy is None else _told(lambda: checked(_text(policy), str(policy)))
    with_settings = "" if settings is None else _told(lambda: checked_settings(_text(settings), str(settings)))
    wanted = Install(
        _valid(name),
        _namespace(namespace),
        image,
        pull_policy=pull_policy,
        pull_secrets=tuple(pull_secret or ()),
        policy=with_policy,
        settings=with_settings,
    )
    read = sys.stdin.readline().strip() if join else ""
    if dry_run:
        _print(wanted, read, control_plane, enrolment, output, with_token)
        return
    from muster.install.installing import Wish

    wish = Wish(control_plane, enrolment, read, policy is None, settings is None, timeout)
    runs(_install(wanted, wish, context, kubeconfig, None if join else muster(url, state)))


async def _install(
    wanted: Install, wish: Wish, context: str | None, kubeconfig: Path | None, client: Muster | None
) -> int:
    from muster.install.installing import install as put

    async def work(cluster: Cluster) -> None:
        if client is None:
            await put(cluster, None, wanted, wish, _say)
            err.print(Text(f"{wanted.name} is there, and says that it is connected"))
            return
        async with client:
            view = await put(cluster, _Fleet(client), wanted, wish, _say)
        assert view is not None
        labels = ", ".join(f"{key}={value}" for key, value in view.labels.items())
        err.print(Text(f"{view.name} is connected{f': {labels}' if labels else ''} (muster {view.version})"))

    return await _in_cluster(work, context, kubeconfig)


def uninstall(
    name: Name,
    context: Context = None,
    namespace: Namespace = "muster",
    kubeconfig: Kubeconfig = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Do not revoke it: installed again it is the same agent.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Though executions run there.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no control plane: it is not revoked, and may run executions.")
    ] = False,
    timeout: Seconds = 120,
    url: Url = None,
    state: State = None,
) -> None:
    """Take an agent out of a cluster, with all that it made there, and revoke it."""
    gone = Install(_valid(name), _namespace(namespace), "")
    client = None if offline else muster(url, state)
    runs(_uninstall(gone, keep, force, timeout, context, kubeconfig, client))


async def _uninstall(
    gone: Install,
    keep: bool,
    force: bool,
    seconds: float,
    context: str | None,
    kubeconfig: Path | None,
    client: Muster | None,
) -> int:
    from muster.install.uninstalling import uninstall as take

    async def work(cluster: Cluster) -> None:
        if client is None:
            _say(f"no control plane is asked: {gone.name} is not revoked")
        else:
            async with client:
                await _dismissed(client, gone.name, keep, force)
        await take(cluster, gone, keep, seconds, _say)

    return await _in_cluster(work, context, kubeconfig)


async def _dismissed(client: Muster, name: str, keep: bool, force: bool) -> None:
    """Revoked, unless it is kept. InstallProblem where it works."""
    view = await _Fleet(client).agent(name)
    if view is None:
        _say(f"the control plane knows no agent {name}")
        return
    if view.load and not force:
        raise InstallProblem(
            f"{view.load} executions run on {name}",
            f"muster agents drain {name}, and wait; or --force, and they are aborted",
            INVALID,
        )
    if not keep and view.state != "revoked":
        await client.revoke(name)
        _say(f"{name} is revoked")


async def _in_cluster(work: Callable[[Cluster], Awaitable[None]], context: str | None, kubeconfig: Path | None) -> int:
    try:
        from muster.install.cluster import Cluster
    except ImportError:
        raise Usage("clusters need the Kubernetes client: pip install 'muster[kubernetes]'") from None
    try:
        async with await Cluster.open(None if kubeconfig is None else str(kubeconfig), context) as cluster:
            await work(cluster)
    except InstallProblem as problem:
        fail(one_line(problem.sentence, _WORDS), one_line(problem.hint, _WORDS), code=problem.code)
    return 0


class _Fleet:
    """muster.install.installing.Fleet, over HTTP."""

    def __init__(self, client: Muster) -> None:
        self._client = client

    async def agent(self, name: str) -> AgentView | None:
        """As the control plane knows it."""
        return next((each for each in await self._client.agents() if each.name == name), None)

    async def invite(self, agent: AgentView) -> str:
        """A fresh join string, with the labels that it has."""
        new = NewAgent(name=agent.name, labels=agent.labels, max_concurrent=agent.max_concurrent)
        return (await self._client.invite(new)).join

    async def connected(self, name: str, seconds: float) -> AgentView | None:
        """Its pod said so already: the control plane is asked until it says the same."""
        end = time.monotonic() + seconds
        while True:
            view = await self.agent(name)
            if view is not None and view.connected:
                return view
            if time.monotonic() > end:
                return None
            await asyncio.sleep(_ASK)


def _print(wanted: Install, join: str, server: str | None, enrol: str | None, form: Manifest, with_token: bool) -> None:
    if join:
        join = _told(lambda: led(join, server, enrol))
    objects = list(agent_manifests(replace(wanted, invitation=join or "none", invited=mark(join) if join else "")))
    if not (join and with_token):
        objects = redacted(objects)
    text = as_yaml(objects) if form is Manifest.YAML else as_json(objects)
    out_console().file.write(text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Usage(f"{path} is no text") from None


def _told(read: Callable[[], str]) -> str:
    try:
        return read()
    except InstallProblem as problem:
        fail(one_line(problem.sentence, _WORDS), problem.hint, code=problem.code)


def _say(sentence: str) -> None:
    err.print(Text(one_line(sentence, _WORDS)))


def _valid(name: str) -> str:
    try:
        found = agent_name(name)
    except ValueError as error:
        raise Usage(str(error)) from None
    if len(found) > _LONGEST:
        raise Usage(f"an agent in a cluster has a name of at most {_LONGEST} characters")
    return found


def _namespace(name: str) -> str:
    if len(name) > _LONGEST_NAMESPACE or not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name):
        raise Usage(f"{name!r} is no namespace")
    return name
