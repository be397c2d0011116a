"""Uploads across restarts, on full disks, with damaged partial files and an absent store."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from control_plane.adapters.objects import ObjectBlobs
from control_plane.ports.blobs import BlobsUnavailable, DigestMismatch
from control_plane.ports.opening import Unusable
from tests.contracts.blobs.test_blobs import content, digest, uploaded
from tests.control_plane.adapters.disks import file_limit, fill, small_disk

DATA = bytes(range(256)) * 2000


async def opened(folder: Path) -> ObjectBlobs:
    """The blobs in a folder."""
    return await ObjectBlobs.open(folder / "spool", folder / "objects")


async def test_an_upload_goes_on_after_a_restart(tmp_path: Path) -> None:
    blobs = await opened(tmp_path)
    state = await blobs.begin(digest(DATA), len(DATA))
    for _ in range(3):
        state = await blobs.append(state.id, state.offset, DATA[state.offset : state.offset + 100_000])
        await blobs.close()
        blobs = await opened(tmp_path)
        assert (await blobs.begin(digest(DATA), len(DATA))).offset == state.offset
    await blobs.close()
    blobs = await opened(tmp_path)
    state = await blobs.append(state.id, 250_000, DATA[250_000:])  # without beginning again
    assert state.complete
    await blobs.close()
    blobs = await opened(tmp_path)
    assert (await blobs.append(state.id, 0, DATA[:10])).complete
    assert await content(blobs, digest(DATA)) == DATA
    assert list((tmp_path / "spool").iterdir()) == []
    await blobs.close()


async def test_a_partial_file_that_was_damaged_is_found_out_at_the_end(tmp_path: Path) -> None:
    blobs = await opened(tmp_path)
    state = await blobs.begin(digest(DATA), len(DATA))
    await blobs.append(state.id, 0, DATA[:1000])
    await blobs.close()
    (part,) = (tmp_path / "spool").iterdir()
    part.write_bytes(bytes(1000))
    blobs = await opened(tmp_path)
    with pytest.raises(DigestMismatch):
        await blobs.append(state.id, 1000, DATA[1000:])
    assert await blobs.size(digest(DATA)) is None
    assert await content(blobs, await uploaded(blobs, DATA)) == DATA
    await blobs.close()


async def test_a_partial_file_that_is_too_long_is_begun_anew(tmp_path: Path) -> None:
    blobs = await opened(tmp_path)
    state = await blobs.begin(digest(DATA), len(DATA))
    await blobs.close()
    (tmp_path / "spool" / f"{state.id}.part").write_bytes(DATA + b"more")
    blobs = await opened(tmp_path)
    assert (await blobs.begin(digest(DATA), len(DATA))).offset == 0
    assert await content(blobs, await uploaded(blobs, DATA)) == DATA
    await blobs.close()


async def test_a_crash_before_the_move_is_mended_by_beginning_again(tmp_path: Path) -> None:
    blobs = await opened(tmp_path)
    state = await blobs.begin(digest(DATA), len(DATA))
    await blobs.close()
    (tmp_path / "spool" / f"{state.id}.part").write_bytes(DATA)
    blobs = await opened(tmp_path)
    assert (await blobs.begin(digest(DATA), len(DATA))).complete
    assert await content(blobs, digest(DATA)) == DATA
    await blobs.close()


async def test_a_full_disk_under_the_spool(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 700) as disk:
        blobs = await ObjectBlobs.open(disk / "spool", tmp_path / "objects")
        state = await blobs.begin(digest(DATA), len(DATA))
        state = await blobs.append(state.id, 0, DATA[:100_000])
        filler = fill(disk)
        with pytest.raises(BlobsUnavailable, match="full"):
            await blobs.append(state.id, 100_000, DATA[100_000:400_000])
        assert (await blobs.begin(digest(DATA), len(DATA))).offset == 100_000
        await blobs.close()
        filler.unlink()
        blobs = await ObjectBlobs.open(disk / "spool", tmp_path / "objects")
        assert (await blobs.begin(digest(DATA), len(DATA))).offset == 100_000
        assert (await blobs.append(state.id, 100_000, DATA[100_000:])).complete
        assert await content(blobs, digest(DATA)) == DATA
        await blobs.close()


async def test_a_full_disk_under_the_store(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 300) as disk:
        blobs = await ObjectBlobs.open(tmp_path / "spool", disk / "objects")
        with pytest.raises(BlobsUnavailable, match="No space left"):
            await uploaded(blobs, DATA)
        assert await blobs.size(digest(DATA)) is None
        with pytest.raises(BlobsUnavailable):
            await blobs.begin(digest(DATA), len(DATA))
        small = await uploaded(blobs, b"small")
        assert await content(blobs, small) == b"small"
        await blobs.close()


async def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    blobs = await opened(tmp_path)
    state = await blobs.begin(digest(DATA), len(DATA))
    with file_limit(1000), pytest.raises(BlobsUnavailable):
        await blobs.append(state.id, 0, DATA[:2000])
    state = await blobs.append(state.id, 0, DATA)
    assert state.complete
    await blobs.close()


async def test_what_nobody_continued_is_deleted_after_a_week(tmp_path: Path) -> None:
    blobs = await opened(tmp_path)
    for data in (b"old", b"young"):
        state = await blobs.begin(digest(data), len(data))
        await blobs.append(state.id, 0, data[:1])
    await blobs.close()
    old = tmp_path / "spool" / f"{digest(b'old').removeprefix('sha256:')}-3.part"
    os.utime(old, (0, time.time() - 8 * 24 * 3600))
    blobs = await opened(tmp_path)
    assert (await blobs.begin(digest(b"old"), 3)).offset == 0
    assert (await blobs.begin(digest(b"young"), 5)).offset == 1
    await blobs.close()


async def test_a_place_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="spool"):
        await ObjectBlobs.open(tmp_path / "file" / "spool", tmp_path / "objects")
    with pytest.raises(Unusable, match="cannot be opened"):
        await ObjectBlobs.open(tmp_path / "spool", "nonsense://bucket")


async def test_what_a_killed_process_left_half_written_is_swept_away(tmp_path: Path) -> None:
    folder = tmp_path / "objects" / "blobs" / "aa"
    folder.mkdir(parents=True)
    for name, age in (("a" * 64 + "#1", 7200), ("b" * 64 + "#2", 0), ("c" * 64, 7200)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (0, time.time() - age))
    blobs = await opened(tmp_path)
    await blobs.close()
    assert sorted(path.name for path in folder.iterdir()) == ["b" * 64 + "#2", "c" * 64]


async def test_deleting_the_last_blob_of_a_folder_leaves_no_folder(tmp_path: Path) -> None:
    blobs = await opened(tmp_path)
    await blobs.delete(await uploaded(blobs, b"content"))
    assert list((tmp_path / "objects").rglob("*")) == []
    await blobs.close()
