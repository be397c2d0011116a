"""How busybox comes into the step containers, whose images may hold nothing. Pure; called by ``manifest``.

Either our image is a volume of the pod, or the conductor's container (or an init container) copies it into a shared
one. See docs/adr/0012-first-step-of-a-pod.md.
"""

from __future__ import annotations

from dataclasses import replace

from agent.executors.kubernetes import mounts
from agent.executors.kubernetes.settings import Settings, Tools
from workflow.plan.nodes import Json

OURS = "/usr/local/bin/busybox"
_LAID = f"{mounts.WORK}/bin"
_MOUNTED = "/.tktw-tools"
_IN_IMAGE = "usr/local/lib/muster/tools"
_VOLUME = "muster-tools"


def folder(settings: Settings) -> str:
    """Where step containers find them."""
    return _MOUNTED if settings.tools is Tools.IMAGE else _LAID


def mounted(laid: mounts.Mounts, settings: Settings) -> mounts.Mounts:
    """The same volumes, and where it is so wanted our image, of which step containers see the tools alone."""
    if settings.tools is not Tools.IMAGE:
        return laid
    source: dict[str, Json] = {"reference": settings.image}
    if settings.pull_policy:
        source["pullPolicy"] = settings.pull_policy
    volume: dict[str, Json] = {"name": _VOLUME, "image": source}
    mount: dict[str, Json] = {"name": _VOLUME, "mountPath": _MOUNTED, "subPath": _IN_IMAGE, "readOnly": True}
    return replace(laid, volumes=(*laid.volumes, volume), content=(*laid.content, mount))


def laying() -> list[Json]:
    """The command that copies them into the shared volume: once, and whole or not at all."""
    copied = f"$b cp -rP /{_IN_IMAGE} {_LAID}.new && $b mv {_LAID}.new {_LAID}"
    return [OURS, "sh", "-c", f"b={OURS}; umask 022; [ -e {_LAID} ] || {{ $b rm -rf {_LAID}.new; {copied}; }}"]
