"""Children counted out, and what they take along packed and stored before they exist. Called by the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from agent.conductor.failure import Failure
from agent.conductor.finding import absolute
from agent.conductor.operations.process import DIRECTORY
from agent.conductor.operations.transfers import TRANSFER_URL, handed_over
from agent.conductor.stage import Stage
from agent.conductor.texts import Texts
from workflow.journal import ChildSpec
from workflow.plan.children import MAX_CHILDREN, BadSpread, expand
from workflow.plan.nodes import Execute, Json, Operation, Parallel, StartServices, Transfer


async def expanded(stage: Stage, operation: Operation) -> tuple[ChildSpec, ...]:
    """The children, numbered from 0. Raises ``Failure``, ExpressionError, OSError."""
    match operation:
        case Parallel() | StartServices():
            return await _with_transfers(stage, operation, await _counted(stage, operation, stage.names))
        case Execute():
            if any(item.tarballs for item in operation.items):
                return await _with_tarballs(stage, operation)
            return await _counted(stage, operation, stage.names)
        case _:
            raise Failure(f"{type(operation).__name__} has no children")


async def _counted(
    stage: Stage, operation: Execute | Parallel | StartServices, names: Mapping[str, Json]
) -> tuple[ChildSpec, ...]:
    common, values = stage.around.common, stage.around.values
    env: dict[str, Json] = dict(common)
    here = Texts(names, common, values).maybe(operation.working_dir) or DIRECTORY
    directory = absolute(here, DIRECTORY)
    texts = Texts(names, common, values, directory=directory, inside=stage.place.inside)
    try:
        return await stage.place.work(lambda: expand(operation, {**names, "env": env}, texts.functions))
    except BadSpread as problem:
        raise Failure(str(problem)) from None


async def _with_tarballs(stage: Stage, operation: Execute) -> tuple[ChildSpec, ...]:
    """The children, those of each entry with the tarballs that it packs: their addresses, and leave to read them."""
    found: list[ChildSpec] = []
    for place, item in enumerate(operation.items):
        digests = [(key, await _packed_for(stage, transfer)) for key, transfer in item.tarballs]
        urls: dict[str, Json] = {key: {"url": f"{TRANSFER_URL}{digest}"} for key, digest in digests}
        names = {**stage.names, "tarball": urls} if urls else stage.names
        read = tuple((digest, "") for _, digest in digests)
        for child in await _counted(stage, replace(operation, items=(item,)), names):
            found.append(replace(child, index=len(found), item=place, transfers=read))
    if len(found) > MAX_CHILDREN:
        raise Failure(f"{len(found)} children are wanted; {MAX_CHILDREN} is the most")
    return tuple(found)


async def _packed_for(stage: Stage, transfer: Transfer) -> str:
    texts = Texts(stage.names, stage.around.common, stage.around.values)
    digest = await handed_over(stage, texts.all_of(transfer))
    if digest is None:
        raise Failure(f"there is nothing to pack in {transfer.source}")
    return digest


async def _with_transfers(
    stage: Stage, operation: Parallel | StartServices, children: Sequence[ChildSpec]
) -> tuple[ChildSpec, ...]:
    """The children with what each takes along; what several take is packed once."""
    packed: dict[Transfer, str | None] = {}
    done: list[ChildSpec] = []
    for child in children:
        stage.check()
        texts = Texts({**stage.names, **child.variables}, stage.around.common, stage.around.values)
        taken: list[tuple[str, str]] = []
        for transfer in map(texts.all_of, _transfers(operation, child)):
            if transfer not in packed:
                packed[transfer] = await handed_over(stage, transfer)
            if digest := packed[transfer]:
                taken.append((digest, transfer.to or transfer.source))
        done.append(replace(child, transfers=tuple(taken)))
    return tuple(done)


def _transfers(operation: Parallel | StartServices, child: ChildSpec) -> Sequence[Transfer]:
    match operation:
        case Parallel():
            return operation.transfer
        case StartServices():
            return operation.services[child.item].transfer
        case _:
            assert_never(operation)
