"""Conductors as pods of a cluster, on the official client's asyncio side.

| module | meaning |
|---|---|
| settings | what the assembly decides |
| naming | names and labels of everything that is made |
| sharing | which steps share a container |
| resources, security, mounts, values | parts of a pod, each a pure function of the plan |
| tools | how busybox comes into step containers |
| manifest | plan + attempt + settings -> pod, secret, claims |
| keys | the key pair of one attempt |
| policy | what this cluster allows, whatever the control plane says |
| symptoms | a pod as the API server shows it -> what became of it, in the cluster's own words |
| calls | requests to the API server: counted, retried, bounded |
| watching | one watch for all of the agent's pods |
| sight | what is known of them: watched, asked for, judged |
| events | what the cluster says of a pod that has trouble |
| tunnel, reaching | a connection to a conductor, by its address or through the API server |
| executor | the port: launch, connect, held, leftovers, remove |
"""
