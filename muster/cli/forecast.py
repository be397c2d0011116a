"""A forecast (workflow.forecast) as a person reads it, and as data. Called by ``muster plan``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum

from rich.text import Text

from muster.cli.words import duration
from workflow.forecast import Child, Execution, StepAhead, Where
from workflow.plan.nodes import Json
from workflow.pods.ahead import ContainerAhead, Pod
from workflow.terminal import neutralised

SHOWN = 20
"""Children of one step that the table shows; JSON has them all."""
_WIDE = 100


def data(value: object) -> Json:
    """Any part of a forecast as JSON data, every field of it."""
    match value:
        case Enum():
            return str(value.value)
        case str() | bool() | int() | float() | None:
            return value
        case Mapping():
            return {str(key): data(item) for key, item in value.items()}
        case tuple() | list():
            return [data(item) for item in value]
        case _ if is_dataclass(value):
            return {each.name: data(getattr(value, each.name)) for each in fields(value)}
    return str(value)


def lines(execution: Execution, depth: int = 0) -> Iterator[Text]:
    """The tree, a line for each execution, step and child."""
    head = _line(depth).append(_safe(execution.workflow), style="bold")
    head.append(f"  on {_safe(execution.where.said)}", style="dim")
    yield head
    yield from _about(execution, depth + 1)
    for step in execution.steps:
        yield _step(step, depth + 1 + step.depth)
        yield from _inside(step, depth + 2 + step.depth)


def _about(execution: Execution, depth: int) -> Iterator[Text]:
    for said in (*_agents(execution.where), execution.concurrency):
        if said:
            yield _line(depth).append(_safe(said), style="dim")
    yield from _pod(execution.pod, depth)


def _agents(where: Where) -> Iterator[str]:
    if where.shortfall:
        yield where.shortfall
    elif where.agents is not None:
        yield f"matching agents: {', '.join(where.agents)}"
    if where.copies:
        yield f"copies: {'; '.join(where.copies)}"


def _pod(pod: Pod | None, depth: int) -> Iterator[Text]:
    if pod is None:
        return
    said = [f"asks for {_amounts(pod.requests)}"] if pod.requests else []
    said += [f"volume {volume.name} ({volume.kind})" for volume in pod.volumes]
    said += [f"service account {pod.service_account}"] if pod.service_account else []
    said += [f"namespace {pod.namespace}"] if pod.namespace else []
    steps = f"{len(pod.containers)} for steps" if pod.containers else "no steps of its own"
    yield _line(depth).append(_safe("; ".join([f"pod: conductor and {steps}", *said])), style="dim")
    if pod.problem:
        yield _line(depth + 1).append(_safe(pod.problem), style="yellow")
    for each in pod.containers:
        yield _container(each, depth + 1)


def _container(each: ContainerAhead, depth: int) -> Text:
    """A line: what it is called, its image, whose it is, and what it asks for."""
    said = [each.image or "the agent's default image", f"step{'s' * (len(each.steps) > 1)} {', '.join(each.steps)}"]
    for kind, amounts in each.resources.items():
        if isinstance(amounts, dict) and amounts:
            said.append(f"{kind} {_amounts(amounts)}")
    said += [f"mounts {mount}" for mount in each.mounts]
    said += [f"{key} {_value(value)}" for key, value in each.security.items()]
    return (
        _line(depth).append(f"container {_safe(each.name)}: ", style="dim").append(_safe("; ".join(said)), style="dim")
    )


def _amounts(amounts: Mapping[str, Json]) -> str:
    return ", ".join(f"{name} {_value(amount)}" for name, amount in amounts.items())


def _step(step: StepAhead, depth: int) -> Text:
    line = _line(depth).append(f"{step.ref} ", style="dim")
    line.append(_safe(step.name)).append(f"  {step.kind}", style="cyan")
    if step.condition not in ("passed", "true"):
        line.append(f"  when {_safe(step.condition)}", style="yellow")
    for word, holds in (("optional", step.optional), ("negative", step.negative), ("paused", step.paused)):
        if holds:
            line.append(f"  {word}", style="yellow")
    if step.retry:
        line.append(f"  up to {step.retry + 1} runs until {_safe(step.until)}", style="yellow")
    if step.timeout_us is not None:
        line.append(f"  at most {duration(step.timeout_us / 1000)}", style="yellow")
    if gist := _gist(step.does):
        line.append(f"  {_safe(gist)}", style="dim")
    return line


def _gist(does: Json) -> str:
    """What tells an operation from others of its kind."""
    if not isinstance(does, dict):
        return ""
    container = does.get("container")
    command = [container.get(key) or [] for key in ("command", "args")] if isinstance(container, dict) else []
    words = [str(word) for part in command if isinstance(part, list) for word in part]
    text = str(does.get("script") or does.get("uri") or does.get("url") or " ".join(words))
    if not text and isinstance(paths := does.get("paths"), list):
        text = ", ".join(map(str, paths))
    first, _, rest = text.strip().partition("\n")
    return first[:_WIDE] + (" ..." if rest or len(first) > _WIDE else "")


def _inside(step: StepAhead, depth: int) -> Iterator[Text]:
    if step.note:
        yield _line(depth).append(_safe(step.note), style="yellow")
    for child in step.children[:SHOWN]:
        yield from _child(child, depth)
    if len(step.children) > SHOWN:
        yield _line(depth).append(f"... and {len(step.children) - SHOWN} more (--output json has all)", style="dim")


def _child(child: Child, depth: int) -> Iterator[Text]:
    line = _line(depth).append(f"{child.kind} {child.index} ", style="dim").append(_safe(child.name))
    said = [f"{key}={_value(value)}" for group in child.values.values() for key, value in _items(group)]
    if said:
        line.append(f"  {_safe(' '.join(said))}", style="magenta")
    if child.note:
        line.append(f"  {_safe(child.note)}", style="yellow")
    yield line
    if child.execution is not None:
        yield from lines(child.execution, depth + 1)


def _items(group: Json) -> list[tuple[str, Json]]:
    return list(group.items()) if isinstance(group, dict) else []


def _value(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDE else text[:_WIDE] + "..."


def _line(depth: int) -> Text:
    return Text("  " * depth)


def _safe(text: str) -> str:
    return neutralised(text.replace("\n", " "))
