"""Files that travel between a parent and its children: packed, offered, fetched, unpacked.

Called by the table of operations and by the host, before the first step and when children are counted out or have
ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from agent.conductor.archives import pack, unpack
from agent.conductor.clock import now
from agent.conductor.exchange import LocalFile, NotExchanged
from agent.conductor.failure import Failure
from agent.conductor.finding import absolute, found
from agent.conductor.operations.process import DIRECTORY
from agent.conductor.place import SPOOL
from agent.conductor.stage import Stage
from agent.conductor.texts import Texts
from workflow.journal import TransferStored
from workflow.plan.nodes import OfferFiles, Transfer
from workflow.session import FileKind

TRANSFER_URL = "muster-transfer:"
"""Before a digest: where a child workflow finds what its parent packed for it."""

_PIECE = 1024 * 1024


async def receive(stage: Stage, transfers: Sequence[tuple[str, str]]) -> None:
    """Fetch and unpack (digest, directory) each; those without a directory are for steps to fetch. Raises ``Failure``,
    OSError."""
    for digest, directory in transfers:
        if directory:
            await fetched(stage, digest, directory)


async def fetched(stage: Stage, digest: str, directory: str) -> None:
    """Fetch one transfer blob and unpack it. Raises ``Failure``, OSError."""
    name = f"{SPOOL}/transfer-{digest.removeprefix('sha256:')}"
    outside = stage.place.outside(name)
    outside.unlink(missing_ok=True)
    try:
        await stage.around.exchange.fetch(digest, outside)

        def work() -> None:
            target = stage.place.inside(absolute(directory, DIRECTORY))
            if not stage.place.owns(target.resolve()):
                raise Failure(f"{directory} lies outside of the workspace")
            unpack(stage.place.inside(name), target, stage.check, confined=False)

        await stage.place.work(work)
    except NotExchanged as problem:
        raise Failure(str(problem)) from None
    finally:
        outside.unlink(missing_ok=True)


async def offer_files(stage: Stage, operation: OfferFiles) -> None:
    """Pack and hand over each. Raises ``Failure``, OSError."""
    texts = Texts(stage.names, stage.around.common, stage.around.values)
    for transfer in operation.fetch:
        offered = texts.all_of(transfer)
        digest = await handed_over(stage, offered)
        to = offered.to or offered.source
        if digest is None:
            await stage.printed.say(f"nothing to hand over from {offered.source}")
        else:
            await stage.around.journal.write(TransferStored(now(), stage.ref, digest, to))


async def handed_over(stage: Stage, transfer: Transfer) -> str | None:
    """Pack and store it: its digest; None where there is nothing to pack. Raises ``Failure``, OSError."""
    name = f"{SPOOL}/pack-{stage.ref}"
    try:
        packed = await stage.place.work(lambda: _packed(stage, transfer, stage.place.inside(name)))
        if packed is None:
            return None
        digest, size = packed
        file = LocalFile(stage.ref, "", stage.place.outside(name), size, digest, FileKind.TRANSFER)
        await stage.around.exchange.store(file)
    except NotExchanged as problem:
        raise Failure(f"files could not be handed over: {problem}") from None
    finally:
        stage.place.outside(name).unlink(missing_ok=True)
    return digest


def _packed(stage: Stage, transfer: Transfer, target: Path) -> tuple[str, int] | None:
    source = absolute(transfer.source, DIRECTORY)
    root = stage.place.inside(source)
    if root.is_file():
        root, names = root.parent, [root.name]
    else:
        paths = found(transfer.files, source, stage.place.inside, stage.check)
        names = [path[len(source) :].lstrip("/") for path in paths if path.startswith(f"{source.rstrip('/')}/")]
    if not names:
        return None
    target.unlink(missing_ok=True)
    with target.open("xb") as file:
        pack(root, names, file, stage.check)
        size = file.tell()
    return hashed(target, stage), size


def hashed(path: Path, stage: Stage) -> str:
    """``sha256:<hex>`` of a file."""
    seen = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_PIECE):
            stage.check()
            seen.update(data)
    return f"sha256:{seen.hexdigest()}"
