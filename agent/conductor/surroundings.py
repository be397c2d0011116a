"""The environment of a step: what every process has, then the container's ``envFrom``, then its ``env``, last one
first.

Called by the runners. Sources in the cluster (Secrets, ConfigMaps) are answered from what the agent entrusted to the
conductor; a missing one is empty, as the language wants it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from agent.conductor.stage import Stage
from agent.conductor.texts import Texts, dereferenced
from workflow.expressions import ExpressionError
from workflow.plan.nodes import Container, EnvVar, Json


def environment(stage: Stage, container: Container) -> dict[str, str]:
    """Every variable of a process in this container. Raises ExpressionError."""
    env = dict(stage.around.env)
    for source in container.env_from:
        env.update(_all_of(source, stage.around.values))
    for variable in container.env:
        env[variable.name] = value_of(stage, variable, env)
    return env


def common_environment(stage: Stage, container: Container) -> dict[str, str]:
    """What conditions see as ``env.*``: the workflow's own container, without what cannot be known before the first
    step."""
    env = dict(stage.around.env)
    for variable in container.env:
        with suppress(ExpressionError):
            env[variable.name] = value_of(stage, variable, env)
    return env


def value_of(stage: Stage, variable: EnvVar, env: Mapping[str, str]) -> str:
    """What one variable is. Raises ExpressionError."""
    if variable.value_from is not None:
        return from_source(stage, variable.value_from)
    text = variable.value
    if "{{" in text:
        text = Texts(stage.names, env, stage.around.values).text(text)
    return dereferenced(text, env)


def from_source(stage: Stage, source: Mapping[str, Json]) -> str:
    """What a ``valueFrom`` gives here."""
    values = stage.around.values
    match dict(source):
        case {"secretKeyRef": {"name": str(name), "key": str(key)}}:
            return values.get(f"secret/{name}/{key}", "")
        case {"configMapKeyRef": {"name": str(name), "key": str(key)}}:
            return values.get(f"config/{name}/{key}", "")
        case {"fieldRef": {"fieldPath": str(path)}}:
            return values.get(f"field/{path}") or _field(stage, path)
        case {"resourceFieldRef": {"resource": str(resource)}}:
            return values.get(f"resource/{stage.ref}/{resource}", "")
        case _:
            return ""


def _field(stage: Stage, path: str) -> str:
    execution = str(stage.around.attempt.execution)
    return {"metadata.name": execution, "metadata.namespace": "local", "status.podIP": "127.0.0.1"}.get(path, "")


def _all_of(source: Mapping[str, Json], values: Mapping[str, str]) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    for kind, field in (("secret", "secretRef"), ("config", "configMapRef")):
        reference = source.get(field)
        if isinstance(reference, dict):
            start = f"{kind}/{reference.get('name')}/"
            return {f"{prefix}{name[len(start) :]}": value for name, value in values.items() if name.startswith(start)}
    return {}
