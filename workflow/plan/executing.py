"""``execute`` and what spreads any operation over children, as the plan has them. Used by the planner."""

from __future__ import annotations

from workflow.model import Execute as ExecuteConfig
from workflow.model import ExecuteWorkflow, Strategy
from workflow.plan.content import packed
from workflow.plan.nodes import Execute, ExecuteItem, Json, Spread


def execute(config: ExecuteConfig) -> Execute:
    """``execute``; ``tests`` of the old kind are not run."""
    items = tuple(_item(item) for item in config.workflows)
    return Execute(items, config.parallelism or 100, not config.async_)


def spread(config: Strategy) -> Spread:
    """``count``, ``maxCount``, ``matrix``, ``shards``, as written."""
    return Spread(_count(config.count), _count(config.max_count), _lists(config.matrix), _lists(config.shards))


def _item(config: ExecuteWorkflow) -> ExecuteItem:
    return ExecuteItem(
        name=config.name,
        selector=dict(config.selector.match_labels) if config.selector is not None else {},
        spread=spread(config),
        config=dict(config.config),
        target=config.target.to_target() if config.target is not None else None,
        execution_name=config.execution_name or "",
        description=config.description or "",
        tarballs=tuple((key, packed(tarball)) for key, tarball in config.tarball.items()),
    )


def _count(value: int | str | None) -> str | None:
    return None if value is None else str(value)


def _lists(lists: dict[str, list[Json] | str]) -> dict[str, Json]:
    return dict(lists)
