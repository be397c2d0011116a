"""Containers merged down the levels: the workflow, the group, the step, its ``run``. Used by the planner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from posixpath import normpath

from workflow.expressions import Template, parse_template
from workflow.model import ContainerConfig
from workflow.model import EnvVar as EnvVarConfig
from workflow.plan.nodes import Container, EnvVar, Json

BASE = Container(env=(EnvVar("CI", "1"),))
"""What every container begins with."""


def merged(above: Container, config: ContainerConfig | None) -> Container:
    """``config`` laid over the level above. Another image forgets the command and arguments that were for the old
    one."""
    if config is None:
        return above
    command, args = (None, None) if config.image is not None else (above.command, above.args)
    return Container(
        image=config.image if config.image is not None else above.image,
        image_pull_policy=config.image_pull_policy or above.image_pull_policy,
        working_dir=path_below(above.working_dir, config.working_dir),
        env=with_env(above.env, tuple(map(env_var, config.env))),
        env_from=(*above.env_from, *(source.dump() for source in config.env_from)),
        command=config.command if config.command is not None else command,
        args=config.args if config.args is not None else args,
        resources=_resources(above.resources, config),
        security_context={
            **above.security_context,
            **(config.security_context.dump() if config.security_context else {}),
        },
        volume_mounts=(*above.volume_mounts, *(mount.dump() for mount in config.volume_mounts)),
    )


def for_worker(root: Container) -> Container:
    """What workers of ``parallel`` inherit: all but the volumes of the pod that they are not in."""
    return replace(root, volume_mounts=())


def for_service(around: Container) -> Container:
    """What services inherit: the variables that are marked ``global``."""
    return replace(BASE, env=with_env(BASE.env, tuple(var for var in around.env if var.share)))


def env_var(config: EnvVarConfig) -> EnvVar:
    """One variable as the plan has it."""
    source = config.value_from.dump() if config.value_from is not None else None
    return EnvVar(config.name, config.value or "", source, bool(config.global_))


def with_env(above: tuple[EnvVar, ...], below: tuple[EnvVar, ...]) -> tuple[EnvVar, ...]:
    """Both; the last of each name wins, and stands where it was said."""
    named = {var.name: var for var in above}
    for var in below:
        named.pop(var.name, None)
        named[var.name] = var
    return tuple(named.values())


def path_below(base: str | None, path: str | None) -> str | None:
    """``makepath``: an absolute path replaces, a relative one goes on from ``base``. Both may be templates."""
    if not path:
        return base
    if not base or path.startswith("/"):
        return path
    if "{{" not in path:
        return normpath(f"{base}/{path}") if "{{" not in base else f"{base}/{path}"
    if not path.startswith("{{"):
        return f"{base}/{path}"
    return f"{{{{makepath({_expression(base)}, {_expression(path)})}}}}"  # absolute or not: known only later


def _expression(template: str) -> str:
    """The template as an expression that gives its text."""
    parsed: Template = parse_template(template)
    pieces = [json.dumps(piece) if isinstance(piece, str) else str(piece) for piece in parsed.pieces]
    return f"string({', '.join(pieces)})"


def _resources(above: Mapping[str, Json], config: ContainerConfig) -> Mapping[str, Json]:
    if config.resources is None:
        return above
    merged_resources: dict[str, Json] = dict(above)
    for kind, amounts in config.resources.dump().items():
        before = merged_resources.get(kind)
        merged_resources[kind] = {**(before if isinstance(before, dict) else {}), **amounts}
    return merged_resources
