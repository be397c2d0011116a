"""What a person should know of an execution before its first step: where this place is not as a pod would be."""

from __future__ import annotations

from collections.abc import Iterator

from agent.conductor.place import Place
from workflow.plan.nodes import Plan, Run, leaves

_NAMED = 10


def notices(plan: Plan, place: Place) -> Iterator[str]:
    """Sentences, one line each."""
    if place.contained:
        return
    runs = [step.body for step in leaves(plan.steps) if isinstance(step.body, Run)]
    images = list(dict.fromkeys(run.container.image for run in runs if run.container.image))
    if images:
        named = ", ".join(images[:_NAMED]) + (", ..." if len(images) > _NAMED else "")
        yield f"Steps run as processes of this machine; not used: image {named}"
    if any(run.container.resources for run in runs):
        yield "Steps run as processes of this machine; their resources are neither reserved nor limited"
    if place.notice:
        yield place.notice
