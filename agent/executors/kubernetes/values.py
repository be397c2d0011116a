"""Secrets, ConfigMaps and fields that the plan names: volumes and variables of the conductor's container alone.

The kubelet resolves them where they live; the agent never reads them, and they stand in no manifest. Everything is
optional: what is missing is empty, as the language wants it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from workflow.identifiers import StepRef
from workflow.plan.nodes import EnvVar, Json, Plan, Run, leaves

FOLDER = "/muster-values"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")


@dataclass(frozen=True, slots=True)
class Laid:
    """What is laid down for a conductor."""

    volumes: tuple[dict[str, Json], ...]
    mounts: tuple[dict[str, Json], ...]
    env: tuple[dict[str, Json], ...]
    fields: Mapping[str, str]
    """``field/<path>``, ``resource/<step>/<name>`` -> the variable that holds it."""


def laid(plan: Plan, wanted: Iterable[str], containers: Mapping[StepRef, str]) -> Laid:
    """For the names that agent.conductor.wanted finds in the plan, and its fields of the pod."""
    volumes: list[dict[str, Json]] = []
    mounts: list[dict[str, Json]] = []
    for place, ((kind, name), keys) in enumerate(sorted(_sources(wanted).items())):
        volume = f"muster-value-{place}"
        source: dict[str, Json] = {"optional": True, "secretName" if kind == "secret" else "name": name}
        if keys is not None:
            source["items"] = [{"key": key, "path": key} for key in sorted(keys)]
        volumes.append({"name": volume, "secret" if kind == "secret" else "configMap": source})
        mounts.append({"name": volume, "mountPath": f"{FOLDER}/{kind}/{name}", "readOnly": True})
    env: list[dict[str, Json]] = []
    fields: dict[str, str] = {}
    for key, source in _fields(plan, containers):
        if key not in fields:
            known = next((each["name"] for each in env if each["valueFrom"] == source), None)
            fields[key] = str(known or f"MUSTER_FIELD_{len(env)}")
            if known is None:
                env.append({"name": fields[key], "valueFrom": source})
    return Laid(tuple(volumes), tuple(mounts), tuple(env), fields)


def _sources(wanted: Iterable[str]) -> dict[tuple[str, str], set[str] | None]:
    """(kind, name) -> its keys, None for all of them. What Kubernetes could not name is left out: it is empty."""
    found: dict[tuple[str, str], set[str] | None] = {}
    for text in wanted:
        kind, name, key = text.split("/", 2)
        if not _NAME.fullmatch(name):
            continue
        keys = found.setdefault((kind, name), set())
        if not key:
            found[kind, name] = None
        elif keys is not None and _KEY.fullmatch(key) and not key.startswith(".."):
            keys.add(key)
    return {source: keys for source, keys in found.items() if keys is None or keys}


def _fields(plan: Plan, containers: Mapping[StepRef, str]) -> Iterator[tuple[str, dict[str, Json]]]:
    for variable in plan.container.env:
        yield from _field(variable, "", "")
    for step in leaves(plan.steps):
        if isinstance(step.body, Run) and step.ref in containers:
            for variable in step.body.container.env:
                yield from _field(variable, containers[step.ref], step.ref)


def _field(variable: EnvVar, container: str, ref: str) -> Iterator[tuple[str, dict[str, Json]]]:
    match dict(variable.value_from or {}):
        case {"fieldRef": {"fieldPath": str(path)}}:
            yield f"field/{path}", {"fieldRef": {"fieldPath": path}}
        case {"resourceFieldRef": {"resource": str(resource), "containerName": str(named)}}:
            yield f"resource/{ref}/{resource}", _resource(resource, named, variable)
        case {"resourceFieldRef": {"resource": str(resource)}} if container:
            yield f"resource/{ref}/{resource}", _resource(resource, container, variable)


def _resource(resource: str, container: str, variable: EnvVar) -> dict[str, Json]:
    written = (variable.value_from or {}).get("resourceFieldRef")
    divisor: dict[str, Json] = (
        {"divisor": written["divisor"]} if isinstance(written, dict) and "divisor" in written else {}
    )
    return {"resourceFieldRef": {"resource": resource, "containerName": container, **divisor}}
