"""The policy that an agent is installed with: every rule, as strict as it is by default, with a word on each; and what
people write of their own, looked through.

Written into a config map of its own by ``muster agents install``, and read by the agent at its start. The agent may
neither change nor ask for config maps, so that nothing the control plane says can loosen it.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from typing import Final

from muster.install.problems import INVALID, InstallProblem

STRICT: Final = """\
# What this cluster allows, whatever the control plane says. What is refused is declined with the rule's name.
# Who may change this config map decides; restart the agent afterwards. Patterns are those of shells:
# registry.example.com/team/*

workflows = ["*"]            # names of workflows that may run here
# labels = { team = "payments" }     labels that a workflow must bear, by pattern
images = ["*"]               # images of steps, and of volumes that are images
secrets = ["*"]              # secrets that a workflow may read; those of attempts and agents never
claims = ["*"]               # volume claims that a workflow may mount; those of other executions never
namespaces = []              # beside the agent's own
service_accounts = []        # that a workflow may run as; without, its pods have no token
priority_classes = []        # that a workflow may name
# most = { cpu = "4", memory = "8Gi", storage = "20Gi" }
#                            what a container may ask for; one that sets no limit gets this one. storage: a claim
host_paths = []              # directories of the node
host_namespaces = false      # hostNetwork, hostPID, hostIPC
node_names = false           # picking a node past the scheduler
privileged = false           # privileged containers, and those that may gain rights
unconfined = false           # without seccomp or AppArmor, /proc unmasked, SELinux options
root = false                 # user 0
capabilities = []            # that may be added
sysctls = []                 # that may be set
volumes = [
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
]
"""

_UNSAID: Final = ("labels", "most")
"""Rules that hold nothing where they are not written."""


_OURS: Final = frozenset({"namespace", "image", "identity", "pull_policy", "policy", "kubeconfig", "context"})
"""Keys of cluster.toml that an installation knows by other means."""


def checked(text: str, file: str) -> str:
    """The policy that somebody wrote, if an agent can read it. InstallProblem."""
    known = [*tomllib.loads(STRICT), *_UNSAID]
    for key in _keys(text, file):
        if key not in known:
            near = get_close_matches(key, known, 1)
            meant = f"; did you mean {near[0]}?" if near else f"; rules are {', '.join(known)}"
            raise InstallProblem(f"{file} says {key!r}, which is no rule{meant}", code=INVALID)
    return text


def checked_settings(text: str, file: str) -> str:
    """More of cluster.toml that somebody wrote. What an agent does not know it refuses itself. InstallProblem."""
    for key in _keys(text, file):
        if key in _OURS:
            raise InstallProblem(f"{file} says {key!r}, which installing says itself, by an option", code=INVALID)
    return text


def _keys(text: str, file: str) -> list[str]:
    try:
        return [key.replace("-", "_") for key in tomllib.loads(text)]
    except tomllib.TOMLDecodeError as problem:
        raise InstallProblem(f"{file} is no TOML: {problem}", code=INVALID) from None
