"""Only whoever holds an attempt stores files for it, within bounds, and reads only what it was handed."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from control_plane.adapters.memory import ManualClock
from control_plane.ports.blobs import DigestMismatch
from control_plane.services.artifacts import MAX_CHUNK, Artifacts, BadOffer, NoSuchUpload, NotYours, Quotas
from tests.control_plane.world import World
from workflow.identifiers import AgentName, Attempt, ExecutionId, Instant, RunId, StepRef
from workflow.journal import ArtifactStored, ChildKind, TransferStored
from workflow.session import Fenced, FileKind, FileOffer
from workflow.states import ExecutionState

DEV, PROD = AgentName("dev-runner"), AgentName("prod-runner")
DATA = b"hello artifact"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def offer(
    execution: ExecutionId,
    name: str = "a.txt",
    data: bytes = DATA,
    *,
    attempt: int = 1,
    kind: FileKind = FileKind.ARTIFACT,
) -> FileOffer:
    return FileOffer(Attempt(execution, attempt), StepRef("1"), name, len(data), digest_of(data), kind)


def stored(name: str, data: bytes) -> ArtifactStored:
    return ArtifactStored(Instant(0), StepRef("1"), name, len(data), digest_of(data))


@pytest.fixture
async def world() -> World:
    return await World(quotas=Quotas(file_bytes=1000, files=4, bytes=2000)).populate()


@pytest.fixture
async def execution(world: World) -> ExecutionId:
    return await world.execution(await world.run(), "dev")


async def read(world: World, agent: AgentName, execution: ExecutionId, digest: str, offset: int = 0) -> bytes:
    pieces = world.artifacts.download(agent, Attempt(execution, 1), digest, offset)
    return b"".join([piece async for piece in pieces])


async def test_an_upload_goes_on_where_it_broke_off(world: World, execution: ExecutionId) -> None:
    begun = await world.artifacts.begin(DEV, offer(execution))
    assert (begun.offset, begun.complete) == (0, False)
    await world.artifacts.append(DEV, begun.upload, 0, DATA[:5])
    again = await world.artifacts.begin(DEV, offer(execution))
    assert (again.upload, again.offset) == (begun.upload, 5)
    done = await world.artifacts.append(DEV, again.upload, 5, DATA[5:])
    assert done.complete
    assert await world.blobs.size(digest_of(DATA)) == len(DATA)


async def test_a_wrong_size_is_noticed_where_the_content_is_there(world: World, execution: ExecutionId) -> None:
    await world.artifact(execution, "b.txt", DATA)
    with pytest.raises(BadOffer, match="has 14 bytes, not 3"):
        await world.artifacts.begin(DEV, replace(offer(execution), size=3))


async def test_content_that_is_there_is_complete_at_once(world: World, execution: ExecutionId) -> None:
    await world.artifact(execution, "b.txt", DATA)
    assert (await world.artifacts.begin(DEV, offer(execution))).complete


async def test_it_is_invisible_until_the_journal_says_so(world: World, execution: ExecutionId) -> None:
    begun = await world.artifacts.begin(DEV, offer(execution))
    await world.artifacts.append(DEV, begun.upload, 0, DATA)
    assert await world.artifacts.find(execution, "a.txt") is None
    await world.says(execution, stored("a.txt", DATA))
    found = await world.artifacts.find(execution, "a.txt")
    assert found is not None
    assert (found.size, found.digest, found.ref) == (len(DATA), digest_of(DATA), "1")


async def test_what_was_never_uploaded_is_not_shown_whatever_the_journal_says(
    world: World, execution: ExecutionId
) -> None:
    other = await world.execution(RunId("run-every-1"), "prod")
    await world.artifact(other, "theirs.txt", DATA)
    await world.says(execution, stored("a.txt", b"never came"), stored("theirs.txt", DATA), stored("../x", DATA))
    for name in ("a.txt", "theirs.txt", "../x"):
        assert await world.artifacts.find(execution, name) is None


async def test_the_same_content_under_two_names(world: World, execution: ExecutionId) -> None:
    one, two = [await world.artifacts.begin(DEV, offer(execution, name)) for name in ("a.txt", "b.txt")]
    assert (await world.artifacts.append(DEV, one.upload, 0, DATA)).complete
    assert (await world.artifacts.append(DEV, two.upload, 0, DATA)).complete
    await world.says(execution, stored("a.txt", DATA), stored("b.txt", DATA))
    assert await world.artifacts.find(execution, "a.txt")
    assert await world.artifacts.find(execution, "b.txt")


async def test_an_upload_outlives_a_restart_and_its_ticket_is_not_believed(
    world: World, execution: ExecutionId
) -> None:
    begun = await world.artifacts.begin(DEV, offer(execution))
    world.artifacts = Artifacts(world.store, world.blobs, ManualClock())
    forged = begun.upload.replace("a.txt", "../../etc/passwd")
    with pytest.raises(BadOffer, match="not normalised"):
        await world.artifacts.append(DEV, forged, 0, DATA)
    assert (await world.artifacts.append(DEV, begun.upload, 0, DATA)).complete


async def test_wrong_bytes_are_thrown_away(world: World, execution: ExecutionId) -> None:
    begun = await world.artifacts.begin(DEV, offer(execution))
    with pytest.raises(DigestMismatch):
        await world.artifacts.append(DEV, begun.upload, 0, b"x" * len(DATA))
    assert await world.blobs.size(digest_of(DATA)) is None


async def test_another_agent_may_not(world: World, execution: ExecutionId) -> None:
    begun = await world.artifacts.begin(DEV, offer(execution))
    with pytest.raises(NotYours, match="not held by prod-runner"):
        await world.artifacts.begin(PROD, offer(execution))
    with pytest.raises(NotYours):
        await world.artifacts.append(PROD, begun.upload, 0, DATA)
    with pytest.raises(NotYours, match="no attempt nobody#1"):
        await world.artifacts.begin(DEV, offer(ExecutionId("nobody")))


async def test_an_older_attempt_is_fenced(world: World, execution: ExecutionId) -> None:
    begun = await world.artifacts.begin(DEV, offer(execution))
    await world.change(execution, attempt=2)
    with pytest.raises(Fenced, match="attempt 2 counts"):
        await world.artifacts.append(DEV, begun.upload, 0, DATA)
    with pytest.raises(NotYours, match="no attempt"):
        await world.artifacts.begin(DEV, offer(execution, attempt=3))


async def test_an_execution_that_is_over_takes_nothing(world: World, execution: ExecutionId) -> None:
    await world.ends(execution, ExecutionState.PASSED)
    with pytest.raises(Fenced, match="is over: passed"):
        await world.artifacts.begin(DEV, offer(execution))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x",
        "a/../../b",
        "/etc/passwd",
        "C:\\x",
        "C:x",
        "a\\b",
        "a//b",
        "a/./b",
        "a/",
        "nul\0byte",
        "new\nline",
        "trailing.",
        "trailing ",
        "dir./x",
        "dir /x",
        "\x1b[31m",
        "bidi\u202e",
        "\ud800",
        "x" * 256,
        "x/" * 512 + "x",
    ],
)
async def test_names_that_leave_or_deceive_are_refused(world: World, execution: ExecutionId, name: str) -> None:
    with pytest.raises(BadOffer):
        await world.artifacts.begin(DEV, offer(execution, name))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Report.xml", "report.XML"),
        ("caf\u00e9", "cafe\u0301"),
        ("stra\u00dfe", "STRASSE"),
        ("out", "out/a.txt"),
        ("out/a.txt", "OUT"),
    ],
)
async def test_names_that_are_one_on_some_file_systems_are_refused(
    world: World, execution: ExecutionId, first: str, second: str
) -> None:
    await world.artifacts.begin(DEV, offer(execution, first))
    with pytest.raises(BadOffer, match=r"some file systems|cannot both be"):
        await world.artifacts.begin(DEV, offer(execution, second))
    await world.artifacts.begin(DEV, offer(execution, first, b"another content"))


async def test_names_that_were_stored_before_a_restart_still_count(world: World, execution: ExecutionId) -> None:
    await world.artifact(execution, "Report.xml", DATA)
    world.artifacts._tallies.clear()
    with pytest.raises(BadOffer, match="some file systems"):
        await world.artifacts.begin(DEV, offer(execution, "report.xml"))


@pytest.mark.parametrize("name", ["a b/c-d_e.xml", "漢字/ü.txt", ".hidden", "12:30.log", "a..b"])
async def test_ordinary_names_are_taken(world: World, execution: ExecutionId, name: str) -> None:
    assert not (await world.artifacts.begin(DEV, offer(execution, name))).complete


async def test_quotas(world: World, execution: ExecutionId) -> None:
    with pytest.raises(BadOffer, match="at most 1000 are allowed"):
        await world.artifacts.begin(DEV, offer(execution, data=b"x" * 1001))
    for number in range(2):
        await world.artifacts.begin(DEV, offer(execution, f"{number}", b"x" * 900))
    with pytest.raises(BadOffer, match="would exceed 2000 bytes"):
        await world.artifacts.begin(DEV, offer(execution, "2", b"x" * 201))
    for number in range(2, 4):
        await world.artifacts.begin(DEV, offer(execution, f"{number}", b""))
    with pytest.raises(BadOffer, match="one file too many"):
        await world.artifacts.begin(DEV, offer(execution, "4", b""))
    await world.artifacts.begin(DEV, offer(execution, "0", b"y" * 900))


async def test_bad_digests_gaps_and_large_pieces_are_told_to_the_step(world: World, execution: ExecutionId) -> None:
    with pytest.raises(BadOffer, match="no digest"):
        await world.artifacts.begin(DEV, replace(offer(execution), digest="md5:x"))
    with pytest.raises(BadOffer, match="cannot have -1 bytes"):
        await world.artifacts.begin(DEV, replace(offer(execution), size=-1))
    begun = await world.artifacts.begin(DEV, offer(execution))
    with pytest.raises(BadOffer, match="none can be added at 3"):
        await world.artifacts.append(DEV, begun.upload, 3, b"x")
    with pytest.raises(BadOffer, match="at most"):
        await world.artifacts.append(DEV, begun.upload, 0, b"x" * (MAX_CHUNK + 1))


@pytest.mark.parametrize("upload", ["", "x", "e/1", "e/x/y", "{execution}/1/unknown-5"])
async def test_unknown_uploads(world: World, execution: ExecutionId, upload: str) -> None:
    with pytest.raises(NoSuchUpload):
        await world.artifacts.append(DEV, upload.format(execution=execution), 0, b"x")


async def test_a_worker_reads_what_its_parent_handed_it_and_the_parent_what_it_offers(world: World) -> None:
    run = await world.run()
    parent = await world.execution(run, "dev")
    down, up = await world.artifact(parent, "down", b"downwards"), await world.artifact(parent, "up", b"upwards")
    worker = await world.execution(
        run, "dev", parent=(parent, "1", 0), kind=ChildKind.WORKER, transfers=((down, "/data/in"),)
    )
    stranger = await world.execution(run, "dev")
    await world.says(worker, TransferStored(world.tick(), StepRef("1"), up, "/data/out"))
    assert await read(world, DEV, worker, down) == b"downwards"
    assert await read(world, DEV, worker, down, 4) == b"wards"
    assert await read(world, DEV, parent, up) == b"upwards"
    for execution, digest in ((worker, up), (parent, down), (stranger, down), (stranger, up)):
        with pytest.raises(NotYours, match="was handed no file"):
            await read(world, DEV, execution, digest)
    with pytest.raises(NotYours, match="not held"):
        await read(world, PROD, worker, down)


async def test_people_find_the_newest_attempts_artifact(world: World, execution: ExecutionId) -> None:
    old = await world.artifact(execution, "a.txt", b"old")
    found = await world.artifacts.find(execution, "a.txt")
    assert found is not None
    assert found.digest == old
    assert b"".join([piece async for piece in world.artifacts.read(found.digest, 1)]) == b"ld"
    assert await world.artifacts.find(execution, "b.txt") is None
