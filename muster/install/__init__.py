"""An agent in a cluster: what it needs there, putting it there, taking it away.

| module | meaning |
|---|---|
| manifests | what is asked for -> namespace, rights, secret, config maps, deployment, network policies. Pure |
| rights | what an agent may do in its namespace, and nothing else |
| guard | the policy that an agent starts with |
| printing | objects as YAML or JSON |
| invitation | join strings: where they lead, and leading them elsewhere. Pure |
| progress | how far a deployment is, and what holds it up, in the cluster's own words. Pure |
| cluster | requests to a cluster as the person of a kubeconfig; refusals as sentences |
| waiting | watching a deployment until it is there |
| installing, uninstalling | the work, step by step |

``muster agents install`` and ``uninstall`` call it; ``deploy/kubernetes/agent`` holds the same for kustomize. It must
not know the control plane: whoever calls it brings a ``Fleet``. Kubernetes is an extra (``muster[kubernetes]``), so
nothing is imported here.
"""
