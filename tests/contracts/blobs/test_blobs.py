"""What every adapter of the Blobs port must do: a blob is invisible or complete, and an upload goes on where it was."""

from __future__ import annotations

import asyncio
import hashlib
import random

import pytest

from control_plane.ports.blobs import Blobs, DigestMismatch

CONTENT = random.Random(7).randbytes(3_000_001)


def digest(data: bytes) -> str:
    """As the port names content."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def content(blobs: Blobs, of: str, offset: int = 0, length: int | None = None) -> bytes:
    """All that a reading gives, whose chunks are bounded."""
    chunks = [chunk async for chunk in blobs.read(of, offset, length)]
    assert all(0 < len(chunk) <= 1024 * 1024 for chunk in chunks)
    return b"".join(chunks)


async def uploaded(blobs: Blobs, data: bytes, step: int = 1_000_000) -> str:
    """Upload it all, piece by piece."""
    state = await blobs.begin(digest(data), len(data))
    while not state.complete:
        state = await blobs.append(state.id, state.offset, data[state.offset : state.offset + step])
    return digest(data)


async def test_a_blob_is_uploaded_and_read(blobs: Blobs) -> None:
    of = await uploaded(blobs, CONTENT)
    assert await blobs.size(of) == len(CONTENT)
    assert await content(blobs, of) == CONTENT
    assert await content(blobs, of, 1_048_570, 20) == CONTENT[1_048_570:1_048_590]
    assert await content(blobs, of, len(CONTENT) - 3, 100) == CONTENT[-3:]
    assert await content(blobs, of, len(CONTENT)) == b""


async def test_offsets_grow_and_nothing_is_visible_before_the_last_byte(blobs: Blobs) -> None:
    data = b"0123456789"
    state = await blobs.begin(digest(data), 10)
    assert (state.offset, state.complete, state.size, state.digest) == (0, False, 10, digest(data))
    state = await blobs.append(state.id, 0, data[:9])
    assert (state.offset, state.complete) == (9, False)
    assert await blobs.size(digest(data)) is None
    with pytest.raises(KeyError):
        await content(blobs, digest(data))
    state = await blobs.append(state.id, 9, data[9:])
    assert (state.offset, state.complete) == (10, True)
    assert await content(blobs, digest(data)) == data


async def test_beginning_again_finds_what_is_there(blobs: Blobs) -> None:
    data = b"0123456789"
    first = await blobs.begin(digest(data), 10)
    await blobs.append(first.id, 0, data[:4])
    again = await blobs.begin(digest(data), 10)
    assert (again.id, again.offset, again.complete) == (first.id, 4, False)
    await blobs.append(again.id, 4, data[4:])
    known = await blobs.begin(digest(data), 10)
    assert (known.offset, known.complete) == (10, True)
    late = await blobs.append(first.id, 0, data)
    assert late.complete


async def test_overlap_is_skipped_and_a_gap_refused(blobs: Blobs) -> None:
    data = b"0123456789"
    state = await blobs.begin(digest(data), 10)
    await blobs.append(state.id, 0, data[:5])
    assert (await blobs.append(state.id, 2, data[2:7])).offset == 7
    assert (await blobs.append(state.id, 0, data[:3])).offset == 7
    for offset in (8, -1):
        with pytest.raises(ValueError, match="7 bytes"):
            await blobs.append(state.id, offset, b"x")
    with pytest.raises(ValueError, match="more than"):
        await blobs.append(state.id, 7, b"789-")
    assert (await blobs.append(state.id, 7, data[7:])).complete
    assert await content(blobs, digest(data)) == data


async def test_wrong_content_is_thrown_away(blobs: Blobs) -> None:
    data = b"0123456789"
    state = await blobs.begin(digest(data), 10)
    await blobs.append(state.id, 0, b"01234")
    with pytest.raises(DigestMismatch):
        await blobs.append(state.id, 5, b"56780")
    assert await blobs.size(digest(data)) is None
    state = await blobs.begin(digest(data), 10)
    assert state.offset == 0
    await blobs.append(state.id, 0, data)
    assert await content(blobs, digest(data)) == data


async def test_an_empty_blob(blobs: Blobs) -> None:
    with pytest.raises(DigestMismatch):
        await blobs.begin(digest(b"x"), 0)
    assert (await blobs.begin(digest(b""), 0)).complete
    assert await blobs.size(digest(b"")) == 0
    assert await content(blobs, digest(b"")) == b""


@pytest.mark.parametrize("name", ["", "sha256:", "sha256:xyz", "md5:" + "a" * 32, "sha256:" + "A" * 64, "../" * 24])
async def test_what_is_no_digest(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        await blobs.begin(name, 1)
    with pytest.raises(ValueError, match="digest"):
        await blobs.size(name)
    with pytest.raises(ValueError, match="digest"):
        await content(blobs, name)
    with pytest.raises(ValueError, match="digest"):
        await blobs.delete(name)


async def test_what_is_not_there(blobs: Blobs) -> None:
    with pytest.raises(KeyError):
        await blobs.append("nothing", 0, b"x")
    with pytest.raises(KeyError):
        await blobs.append(f"{'a' * 64}-5", 0, b"x")
    with pytest.raises(KeyError):
        await content(blobs, digest(b"never"))
    with pytest.raises(ValueError, match="-1 bytes"):
        await blobs.begin(digest(b"x"), -1)
    await blobs.delete(digest(b"never"))


async def test_deleted_blobs_are_gone_and_can_come_back(blobs: Blobs) -> None:
    of = await uploaded(blobs, b"content")
    await blobs.delete(of)
    assert await blobs.size(of) is None
    assert await content(blobs, await uploaded(blobs, b"content")) == b"content"


async def test_two_agents_upload_the_same_content(blobs: Blobs) -> None:
    async def agent(step: int) -> None:
        state = await blobs.begin(digest(CONTENT), len(CONTENT))
        sent = 0
        while not state.complete:
            state = await blobs.append(state.id, sent, CONTENT[sent : sent + step])
            sent = max(state.offset, sent)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent(300_000))
        tasks.create_task(agent(170_001))
    assert await content(blobs, digest(CONTENT)) == CONTENT


async def test_many_uploads_at_once(blobs: Blobs) -> None:
    contents = [bytes([number]) * (1000 + number) for number in range(30)]
    async with asyncio.TaskGroup() as tasks:
        for data in contents:
            tasks.create_task(uploaded(blobs, data, 300))
    for data in contents:
        assert await content(blobs, digest(data)) == data
