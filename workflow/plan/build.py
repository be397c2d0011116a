"""From a resolved workflow to the plan of its execution.

Called by the submission service and by ``muster plan``. Pure. What is known only later (``env``, ``status``,
``index``, ...) stays in the texts as ``{{ }}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from workflow.expressions import one_purse
from workflow.model import Spec, Workflow
from workflow.plan.bind import bind
from workflow.plan.containers import BASE, merged
from workflow.plan.nodes import Concurrency, Json, Plan
from workflow.plan.parts import Manner, placed
from workflow.plan.secrecy import refuse_secrets
from workflow.plan.stages import root_contents
from workflow.plan.static import Statics
from workflow.plan.workers import Workers, merged_pod
from workflow.problems import InvalidDocument, in_order

_NOTHING: Mapping[str, Json] = MappingProxyType({})


@one_purse()
def build(workflow: Workflow, *, facts: Mapping[str, Json] = _NOTHING) -> Plan:
    """The plan of ``workflow``, which was resolved before. ``facts`` are names that are known now (``execution``,
    ...), filled in where texts use them. Raises ``InvalidDocument`` with every problem: durations that are none,
    steps nested too deep, secrets that everybody would see."""
    statics = Statics()
    spec = workflow.spec
    container = merged(BASE, spec.container)
    workers = Workers(statics, workflow.name, container, merged_pod({}, spec.pod), dict(workflow.labels))
    parts = workers.stages(spec).parts(root_contents(spec), container)
    bare = workers.plan(spec, placed(parts, None, Manner(None, None, None)))
    plan = _outermost(bare, workflow, statics)
    refuse_secrets(spec, statics)
    if statics.problems:
        raise InvalidDocument(in_order(statics.problems))
    return bind(plan, facts) if facts else plan


def _outermost(plan: Plan, workflow: Workflow, statics: Statics) -> Plan:
    """What only the workflow itself has: target, concurrency, limits of waiting, what people see."""
    spec = workflow.spec
    execution = spec.execution
    target = execution.target if execution is not None else None
    return replace(
        plan,
        description=workflow.description or "",
        annotations=dict(workflow.metadata.annotations),
        tags=dict(execution.tags or {}) if execution is not None else {},
        target=target.to_target() if target is not None else None,
        concurrency=_concurrency(spec),
        silent=bool(execution is not None and execution.silent),
        queue_timeout=statics.duration(spec.timeouts, "queue") if spec.timeouts is not None else None,
    )


def _concurrency(spec: Spec) -> Concurrency | None:
    limit = spec.concurrency
    if limit is None or limit.max is None:
        return None
    return Concurrency(limit.max, limit.group, limit.cancel_in_progress)
