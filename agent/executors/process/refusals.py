"""What truly needs a container, and so is refused before it starts. Called by the executor.

What only a container would honour without the steps depending on it (``image``, ``resources``, pull policies,
security contexts) is no reason to refuse: the conductor tells it in a notice.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflow.plan.nodes import Container, Plan, Run, leaves

_POD = {
    "volumes": "pod.volumes",
    "hostAliases": "pod.hostAliases",
    "resourceClaims": "pod.resourceClaims",
}


def refusals(plan: Plan) -> Iterator[str]:
    """A phrase for each thing of the plan that no process of this machine can have."""
    if plan.pvcs:
        yield "pvcs (persistent volumes)"
    for field, said in _POD.items():
        if plan.pod.get(field):
            yield said
    for step in leaves(plan.steps):
        if isinstance(step.body, Run):
            named = step.name or step.id or step.ref
            yield from (f"step {named!r}: {phrase}" for phrase in _of(step.body.container, step.body.script))


def _of(container: Container, script: str | None) -> Iterator[str]:
    if container.volume_mounts:
        yield "volumeMounts"
    if script is None and not container.command:
        yield "neither shell nor command (the command of the image is not known here)"
