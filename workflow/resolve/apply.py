"""Templates into the places that name them.

Called by ``resolver`` with a way to get a template whose parameters are filled in. Knows where each part of a template
goes; the order is the language's: templates are laid under their user, first listed ends first, the user's words win.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeVar

from workflow.model import Body, ContainerConfig, ExecutionDefaults, Node, Parallel, Service, Spec, Step, TemplateRef

from .merge import overlaid, united

Filled: TypeAlias = Callable[[TemplateRef], Spec | None]
"""The template that the reference names, its parameters filled in; None (and a problem noted) when there is none."""

B = TypeVar("B", bound=Body)

_UNDER: Final = ("system", "content", "container", "job", "pod", "concurrency", "notifications", "timeouts")
_UNDER_STEP: Final = ("content", "container")
_UNDER_SERVICE: Final = ("content", "pod")


def body_with_templates(body: B, filled: Filled) -> B:
    """The body of a workflow or of ``parallel`` with all templates in it applied, at any depth."""
    updates: dict[str, object] = {
        name: tuple(step_with_templates(step, filled) for step in getattr(body, name))
        for name in ("setup", "steps", "after")
        if getattr(body, name)
    }
    if body.services:
        updates["services"] = _services(body.services, filled)
    changed = _changed(body, updates)
    if isinstance(changed, Parallel) and changed.template is not None:
        spec = filled(changed.template)
        steps = (*_isolated(spec, changed.template), *changed.steps) if spec else changed.steps
        changed = _changed(changed, {"template": None, "steps": steps})
    for reference in reversed(body.use):
        spec = filled(reference)
        if spec is not None:
            changed = _under_body(spec, changed)
    return _changed(changed, {"use": ()}) if body.use else changed


def step_with_templates(step: Step, filled: Filled) -> Step:
    """The step with all templates in it applied, at any depth."""
    updates: dict[str, object] = {
        name: tuple(step_with_templates(inner, filled) for inner in getattr(step, name))
        for name in ("setup", "steps")
        if getattr(step, name)
    }
    if step.services:
        updates["services"] = _services(step.services, filled)
    if step.parallel is not None:
        updates["parallel"] = body_with_templates(step.parallel, filled)
    changed = _changed(step, updates)
    if step.template is not None:
        spec = filled(step.template)
        steps = (*_isolated(spec, step.template), *changed.steps) if spec else changed.steps
        changed = _changed(changed, {"template": None, "steps": steps})
    for reference in reversed(step.use):
        spec = filled(reference)
        if spec is not None:
            changed = _under_step(spec, changed)
    return _changed(changed, {"use": ()}) if step.use else changed


def _services(services: Mapping[str, Service], filled: Filled) -> dict[str, Service]:
    return {name: _service(service, filled) for name, service in services.items()}


def _service(service: Service, filled: Filled) -> Service:
    if not service.use:
        return service
    changed = service
    for reference in reversed(service.use):
        spec = filled(reference)
        if spec is not None:
            changed = _under_service(spec, changed)
    return _changed(changed, {"use": ()})


def _under_body(spec: Spec, body: B) -> B:
    updates: dict[str, object] = {name: overlaid(getattr(spec, name), getattr(body, name)) for name in _UNDER}
    updates["execution"] = _execution(spec.execution, body.execution)
    updates["events"] = (*spec.events, *body.events)
    updates["services"] = {**spec.services, **body.services}
    updates["pvcs"] = {**spec.pvcs, **body.pvcs}
    updates["setup"] = (*spec.setup, *body.setup)
    updates["steps"] = (*spec.steps, *body.steps)
    updates["after"] = (*body.after, *spec.after)
    return _changed(body, updates, spec)


def _under_step(spec: Spec, step: Step) -> Step:
    updates: dict[str, object] = {name: overlaid(getattr(spec, name), getattr(step, name)) for name in _UNDER_STEP}
    updates["services"] = {**spec.services, **step.services}
    updates["setup"] = (*spec.setup, *step.setup)
    updates["steps"] = (*spec.steps, *step.steps, *spec.after)
    return _changed(step, updates, spec)


def _under_service(spec: Spec, service: Service) -> Service:
    """A service takes a template's container as its own, and its content, pod and volumes."""
    under = {name: overlaid(getattr(spec, name), getattr(service, name)) for name in _UNDER_SERVICE}
    updates: dict[str, object] = dict(under)
    updates["pvcs"] = {**spec.pvcs, **service.pvcs}
    if spec.container is not None:
        said = {name: getattr(service, name) for name in service.model_fields_set & set(ContainerConfig.model_fields)}
        own = ContainerConfig.model_construct(_fields_set=set(said), **said).at(service.place)
        merged = overlaid(spec.container, own)
        assert merged is not None
        unfit = {"command", "args"} if service.shell is not None else set()
        updates |= {name: getattr(merged, name) for name in merged.model_fields_set - unfit}
    return _changed(service, updates, spec.container)


def _isolated(spec: Spec, reference: TemplateRef) -> tuple[Step, ...]:
    """A template as a step of its own; its bare steps when nothing holds them together."""
    steps = (*spec.steps, *spec.after)
    if spec.content is None and spec.container is None and not spec.services:
        return (*spec.setup, *steps)
    parts = {
        "content": spec.content,
        "container": spec.container,
        "services": spec.services,
        "setup": spec.setup,
        "steps": steps,
    }
    return (_changed(Step(), parts).at(united(spec.place, reference.place)),)


def _execution(base: ExecutionDefaults | None, over: ExecutionDefaults | None) -> ExecutionDefaults | None:
    """Tags unite; the target is the template's only where its user has none at all."""
    merged = overlaid(base, over)
    if merged is None or over is None or over.target is None:
        return merged
    return _changed(merged, {"target": over.target})


C = TypeVar("C", bound=Node)


def _changed(node: C, updates: Mapping[str, object], base: Node | None = None) -> C:
    """The node with some fields replaced; what is equal stays unset, so that a dump shows only what someone said."""
    real = {name: value for name, value in updates.items() if value != getattr(node, name)}
    if not real:
        return node
    changed = node.model_copy(update=real)
    emptied = {name for name, value in real.items() if value is None or value == () or value == {}}
    changed.__pydantic_fields_set__.difference_update(emptied)
    return changed.at(united(base.place, node.place)) if base is not None else changed
