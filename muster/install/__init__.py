"""An agent in a cluster: every object that it needs, as plain values. Pure.

| module | meaning |
|---|---|
| manifests | what is asked for -> namespace, rights, secret, deployment, network policies |
| rights | what an agent may do in its namespace, and nothing else |

``muster agents install`` applies them, ``--dry-run`` prints them, ``deploy/kubernetes/agent`` holds the same for
kustomize.
"""

from muster.install.manifests import Install, agent_manifests

__all__ = ["Install", "agent_manifests"]
