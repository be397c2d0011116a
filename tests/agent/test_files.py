"""Files in and out: content, archives, clones, artifacts, transfers."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.agent.conftest import Bench, bench_in
from tests.agent.plans import assign, plan, shell, step
from tests.fakes.control import Held
from workflow.identifiers import SECOND, ExecutionId, StepRef
from workflow.journal import (
    ArtifactStored,
    ChildChanged,
    ChildrenWanted,
    StepFinished,
    Stream,
    TransferStored,
)
from workflow.plan.nodes import (
    Clone,
    Container,
    EnvVar,
    FetchTarball,
    File,
    Json,
    OfferFiles,
    Parallel,
    Run,
    SaveArtifacts,
    Spread,
    Transfer,
    WriteFiles,
)
from workflow.session import FileKind
from workflow.states import ExecutionState, StepStatus


def reasons(held: Held) -> str:
    return "; ".join(e.reason for r in held.records if isinstance(e := r.entry, StepFinished))


def system(held: Held) -> str:
    return held.output(stream=Stream.SYSTEM).decode()


async def test_files_are_written_with_their_modes(either: Bench) -> None:
    files = WriteFiles(
        (
            File("/data/run.sh", "#!/bin/sh\necho from {{ env.CI }}\n", mode=0o755),
            File("relative/deep.txt", "größer"),
            File("/fresh/top.txt", "top"),
            File("/data/secret.txt", content_from={"secretKeyRef": {"name": "s", "key": "k"}}),
        )
    )
    script = """/data/run.sh; cat /data/relative/deep.txt; stat -c %a /data/relative/deep.txt
        cat /fresh/top.txt; wc -c < /data/secret.txt"""
    held = await either.run(plan(files, shell(script)))
    assert held.output().decode() == "from 1\ngrößer644\ntop0\n", reasons(held)


@pytest.mark.parametrize("path", ["/etc/muster-was-here", "/data/../etc/x", "/data/link/x"])
async def test_files_outside_of_the_workspace_are_refused(either: Bench, path: str) -> None:
    held = await either.run(plan(shell("ln -s /etc /data/link"), WriteFiles((File(path, "x"),))))
    assert held.finished is not None and held.finished.state is ExecutionState.FAILED
    assert "outside of the workspace" in reasons(held)
    assert not Path("/etc/muster-was-here").exists() and not Path("/etc/x").exists()


def repository(folder: Path) -> str:
    """A repository with two commits, a tag on the first, a branch; its address."""
    folder.mkdir()

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
        done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    (folder / "one.txt").write_text("one")
    (folder / "sub").mkdir()
    (folder / "sub" / "two.txt").write_text("two")
    git("add", ".")
    git("commit", "-qm", "first")
    git("tag", "v1")
    (folder / "one.txt").write_text("newer")
    git("commit", "-qam", "second")
    git("branch", "feature")
    return f"file://{folder}"


async def test_a_repository_is_cloned_by_branch_tag_and_commit(either: Bench, tmp_path: Path) -> None:
    uri = repository(tmp_path / "origin")
    first = subprocess.run(
        ["git", "rev-parse", "v1"], cwd=tmp_path / "origin", capture_output=True, text=True, check=True
    )
    for revision, content in ((None, "newer"), ("feature", "newer"), ("v1", "one"), (first.stdout.strip(), "one")):
        held = await either.run(plan(Clone(uri, revision), shell("cat /data/repo/one.txt /data/repo/sub/two.txt")))
        assert held.output() == f"{content}two".encode(), (revision, reasons(held))
    assert "sub/two.txt" in system(held)


async def test_a_short_commit_is_found_with_more_effort(bench: Bench, tmp_path: Path) -> None:
    uri = repository(tmp_path / "origin")
    short = subprocess.run(
        ["git", "rev-parse", "--short", "v1"], cwd=tmp_path / "origin", capture_output=True, text=True, check=True
    )
    held = await bench.run(plan(Clone(uri, short.stdout.strip()), shell("cat /data/repo/one.txt")))
    assert held.output() == b"one", reasons(held)


async def test_only_the_wanted_paths_are_checked_out(bench: Bench, tmp_path: Path) -> None:
    uri = repository(tmp_path / "origin")
    sparse = Clone(uri, mount_path="/data/elsewhere", paths=("sub",), verbosity="quiet")
    held = await bench.run(plan(sparse, shell("cd /data/elsewhere; find . -name .git -prune -o -type f -print")))
    assert held.output() == b"./sub/two.txt\n", reasons(held)
    assert "two.txt" not in system(held)


async def test_a_repository_that_is_not_there_is_a_sentence(bench: Bench) -> None:
    token = EnvVar("TOKEN", "s3cr3t-t0ken")
    held = await bench.run(plan(Clone("https://user:pa55word@127.0.0.1:1/x.git", token=token, retry_count=2)))
    said = reasons(held) + system(held)
    assert "could not be cloned" in said and "try 1 of 2" in said
    assert "s3cr3t" not in said and "pa55word" not in said


async def test_artifacts_are_stored_under_relative_names(either: Bench) -> None:
    script = """mkdir -p out/deep; echo 1 > out/a.xml; echo 2 > out/deep/b.xml; echo 3 > out/c.log
        ln -s /etc/passwd out/bad.xml; ln -s a.xml out/l.xml"""
    held = await either.run(plan(shell(script), SaveArtifacts(("out/**/*.xml", "!out/deep/**"))))
    stored = {e.name: e for r in held.records if isinstance(e := r.entry, ArtifactStored)}
    assert set(stored) == {"out/a.xml", "out/l.xml"}
    assert stored["out/a.xml"].digest == f"sha256:{hashlib.sha256(b'1' + bytes([10])).hexdigest()}"
    assert {offer.name: data for offer, data in either.control.stored} == {"out/a.xml": b"1\n", "out/l.xml": b"1\n"}
    assert "outside of the workspace" in system(held)
    assert held.finished is not None and held.finished.state is ExecutionState.PASSED


async def test_operations_see_the_workflows_own_environment(bench: Bench) -> None:
    container = Container(env=(EnvVar("WHERE", "reports"),))
    work = plan(shell("mkdir reports; echo x > reports/r"), SaveArtifacts(("{{ env.WHERE }}/*",)), container=container)
    await bench.run(work)
    assert [offer.name for offer, _ in bench.control.stored] == ["reports/r"]


async def test_no_artifacts_are_no_failure(bench: Bench) -> None:
    held = await bench.run(plan(SaveArtifacts(("nothing/**",))))
    assert "No artifacts found." in system(held)
    assert held.finished is not None and held.finished.state is ExecutionState.PASSED


async def test_artifacts_are_compressed_where_asked(bench: Bench) -> None:
    artifacts = SaveArtifacts(("reports",), working_dir="/data/w", compress="reports.tar.gz")
    held = await bench.run(plan(shell("mkdir -p /data/w/reports; echo x > /data/w/reports/r"), artifacts))
    ((offer, data),) = bench.control.stored
    assert offer.name == "reports.tar.gz" and offer.kind is FileKind.ARTIFACT
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["reports/r"]
    assert any(isinstance(r.entry, ArtifactStored) for r in held.records)


async def test_a_broken_upload_goes_on_where_it_was(bench: Bench) -> None:
    bench.control.break_uploads_at = 3_000_000
    held = await bench.run(plan(shell("head -c 9000000 /dev/urandom > big"), SaveArtifacts(("big",))))
    ((_, data),) = bench.control.stored
    assert len(data) == 9_000_000
    assert any(isinstance(r.entry, ArtifactStored) for r in held.records)


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return made.getvalue()


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def laid_down(data: bytes, path: str = "x.tgz") -> Run:
    """A step that makes a file of these bytes."""
    program = f"import sys; open({path!r}, 'wb').write(bytes.fromhex(sys.stdin.read()))"
    return shell(f'echo {data.hex()} | python3 -c "{program}"')


async def test_an_archive_is_unpacked(either: Bench) -> None:
    data = archive((named("a/b.txt"), b"hello"), (named("a/l", tarfile.SYMTYPE, "b.txt"), b""))
    held = await either.run(
        plan(laid_down(data), FetchTarball("/data/got", "file:///data/x.tgz"), shell("cat got/a/b.txt got/a/l"))
    )
    assert held.output() == b"hellohello", reasons(held)


async def test_an_archive_that_grows_beyond_all_measure_is_refused(bench: Bench) -> None:
    script = "head -c 70000000 /dev/zero > zeros; tar -cjf x.tbz zeros"
    held = await bench.run(plan(shell(script), FetchTarball("/data/got", "file:///data/x.tbz")))
    assert "would unpack to more than" in reasons(held)


@pytest.mark.parametrize(
    "member",
    [
        named("../x"),
        named("/etc/x"),
        named("a/../../x"),
        named("link", tarfile.SYMTYPE, "/etc"),
        named("deep/link", tarfile.SYMTYPE, "../../x"),
        named("dev", tarfile.CHRTYPE),
        named("pipe", tarfile.FIFOTYPE),
        named("hard", tarfile.LNKTYPE, "/etc/passwd"),
    ],
    ids=lambda member: member.name.replace("/", "_"),
)
async def test_hostile_archives_are_refused(bench: Bench, member: tarfile.TarInfo) -> None:
    data = archive((member, b""))
    held = await bench.run(plan(laid_down(data), FetchTarball("/data/got", "file:///data/x.tgz")))
    assert held.finished is not None and held.finished.state is ExecutionState.FAILED
    assert "the archive holds" in reasons(held)


async def test_a_worker_gets_files_and_hands_files_back(either: Bench) -> None:
    data = archive((named("in.txt"), b"from the parent"))
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    either.control.files[digest] = data
    work = plan(shell("cp /data/repo/in.txt /data/out.txt"), OfferFiles((Transfer("/data", ("*.txt",), "/data/all"),)))
    held = await either.run(assign(work, transfers=[(digest, "/data/repo")]))
    offered = next(e for r in held.records if isinstance(e := r.entry, TransferStored))
    assert offered.to == "/data/all"
    with tarfile.open(fileobj=io.BytesIO(either.control.files[offered.digest])) as tar:
        assert tar.getnames() == ["out.txt"]


async def test_children_are_counted_out_and_their_files_come_back(either: Bench) -> None:
    worker = plan(shell("true"))
    parallel = Parallel(
        worker, Spread(count="2"), transfer=(Transfer("/data/src"),), fetch=(Transfer("/data/r", to="/data/all"),)
    )
    work = plan(shell("mkdir src; echo s > src/s.txt"), parallel, shell("cat /data/all/r.txt"))
    held = await either.submit(assign(work))
    await either.control.until(lambda: any(isinstance(r.entry, ChildrenWanted) for r in held.records))
    wanted = next(e for r in held.records if isinstance(e := r.entry, ChildrenWanted))
    assert [child.variables["index"] for child in wanted.children] == [0, 1]
    assert {path for child in wanted.children for _, path in child.transfers} == {"/data/src"}
    with tarfile.open(fileobj=io.BytesIO(either.control.files[wanted.children[0].transfers[0][0]])) as tar:
        assert tar.getnames() == ["s.txt"]
    back = archive((named("r.txt"), b"report\n"))
    digest = f"sha256:{hashlib.sha256(back).hexdigest()}"
    either.control.files[digest] = back
    attempt = either.seen[-1]
    for child in wanted.children:
        done = ChildChanged(
            StepRef("2"),
            child.index,
            ExecutionId(f"c{child.index}"),
            ExecutionState.PASSED,
            fetched=((digest, "/data/all"),),
        )
        either.control.tell(attempt, done)
    await either.control.until(lambda: held.finished is not None)
    assert held.output() == b"report\n", reasons(held)


async def test_the_same_files_pack_to_the_same_bytes(bench: Bench) -> None:
    offer = OfferFiles((Transfer("/data/x"),))
    script = "mkdir -p x/y; echo a > x/y/a; echo b > x/b; chmod +x x/b"
    digests = set()
    for pause in ("", "touch -d '2 days ago' x/b"):
        held = await bench.run(plan(shell(f"{script}; {pause}"), offer))
        digests |= {e.digest for r in held.records if isinstance(e := r.entry, TransferStored)}
    assert len(digests) == 1


async def test_long_work_on_files_ends_with_its_time_out(bench: Bench) -> None:
    """To hash 100 GB of nothing takes minutes."""
    slow = step(2, SaveArtifacts(("big",)), timeout=SECOND // 5)
    held = await bench.run(plan(shell("truncate -s 100G big"), slow), 15)
    finished = {e.ref: e.status for r in held.records if isinstance(e := r.entry, StepFinished)}
    assert finished[StepRef("2")] is StepStatus.TIMEOUT
    assert not bench.control.stored


async def test_secrets_reach_steps_and_no_log(tmp_path: Path) -> None:
    secret = "correct horse\nbattery staple"
    source: dict[str, Json] = {"secretKeyRef": {"name": "db", "key": "password"}}
    script = """printf "%s" "$PASSWORD"; printf corr; sleep 0.2; echo "ect horse"; printf %s "$PASSWORD" | base64
        echo; printf %s "$PASSWORD" | wc -c; echo '{{ secret("db", "password") }}' >&2
        printf "%s" "$PASSWORD" > /testkube/outputs/p"""
    run = Run(Container(env=(EnvVar("PASSWORD", value_from=source),)), script)
    async with bench_in(tmp_path, values={"secrets/db/password": secret, "secrets/other/x": "y"}) as bench:
        held = await bench.run(plan(run))
        journal = repr(held.records)
        assert b"\n28\n" in held.output(), (held.output(), reasons(held))
        assert "horse" not in journal and "staple" not in journal and "Y29ycmVjd" not in journal
        assert held.finished is not None and held.finished.state is ExecutionState.PASSED
