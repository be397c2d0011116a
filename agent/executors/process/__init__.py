"""Conductors as processes of this machine: no container, no cluster.

| module | meaning |
|---|---|
| executor | the port: launch, connect, held, leftovers, remove |
| folders | what lies on disk for an attempt, and who is alive |
| nursery | the agent's side of the zygote |
| zygote | a small preloaded process that forks a conductor in milliseconds |
| refusals | what truly needs a container |
"""
