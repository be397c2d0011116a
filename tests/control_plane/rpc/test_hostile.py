"""Who is not let in, and what is not taken. After each the port serves others as before; no service saw anything."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import grpc
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from agent.link.endings import Ending
from control_plane.rpc import gate
from control_plane.rpc.server import PortTaken
from protos.codec import session as codec
from protos.muster.v1 import control_pb2 as wire
from protos.muster.v1 import control_pb2_grpc
from tests.contracts.authority import certs
from tests.control_plane.rpc.house import ATTEMPT, HELLO, NAME, House
from workflow.identifiers import AgentName
from workflow.session import OLDEST_PROTOCOL, PROTOCOL, Fenced, Hello, LinkDown, Refused

S = grpc.StatusCode
OTHER = AgentName("prod-runner")
LATER = timedelta(1)
RawCall = grpc.aio.StreamStreamCall[bytes, bytes]


async def session_status(channel: grpc.aio.Channel) -> tuple[grpc.StatusCode, str]:
    """What a session ends with when Hello is said."""
    call = control_pb2_grpc.SessionsStub(channel).Open(timeout=10)
    ending = Ending(call)
    try:
        await call.write(codec.encode_agent(HELLO))
        await call.read()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass
    else:
        call.cancel()
        return S.OK, ""
    return await ending.status()


@asynccontextmanager
async def unharmed(house: House) -> AsyncIterator[None]:
    """Nothing reached a service inside; an honest agent is served afterwards."""
    yield
    assert house.sessions.opened.empty()
    async with house.link(await house.joined(AgentName("honest"))) as link, link.session(HELLO):
        assert (await house.sessions.opened.get()).agent == "honest"


# --- certificates ------------------------------------------------------------------------------------------------

KEY = certs.key()
CERTIFICATES: dict[str, tuple[Callable[[House], bytes], grpc.StatusCode]] = {
    "of another root": (lambda h: certs.Forge().leaf_pem(KEY, certs.agent_uri(NAME)), S.UNAVAILABLE),
    "of a root with our root's name": (
        lambda h: certs.Forge(name=h.mad().name).leaf_pem(KEY, certs.agent_uri(NAME)),
        S.UNAVAILABLE,
    ),
    "signed by itself": (
        lambda h: certs.Forge(KEY, certs.named("leaf")).leaf_pem(KEY, certs.agent_uri(NAME)),
        S.UNAVAILABLE,
    ),
    "expired": (
        lambda h: h.mad().leaf_pem(KEY, certs.agent_uri(NAME), begins=timedelta(-2), ends=timedelta(-1)),
        S.UNAVAILABLE,
    ),
    "not yet valid": (
        lambda h: h.mad().leaf_pem(KEY, certs.agent_uri(NAME), begins=timedelta(1), ends=timedelta(2)),
        S.UNAVAILABLE,
    ),
    "without a purpose": (lambda h: h.mad().leaf_pem(KEY, certs.agent_uri(NAME), usages=()), S.UNAUTHENTICATED),
    "for servers": (
        lambda h: h.mad().leaf_pem(KEY, certs.agent_uri(NAME), usages=(ExtendedKeyUsageOID.SERVER_AUTH,)),
        S.UNAVAILABLE,
    ),
    "without a name": (lambda h: h.mad().leaf_pem(KEY, common_name=NAME), S.UNAUTHENTICATED),
    "with two agents' names": (
        lambda h: h.mad().leaf_pem(KEY, certs.agent_uri(NAME), certs.agent_uri(OTHER)),
        S.UNAUTHENTICATED,
    ),
    "with a host name beside": (
        lambda h: h.mad().leaf_pem(KEY, certs.agent_uri(NAME), x509.DNSName("localhost")),
        S.UNAUTHENTICATED,
    ),
    "with a name that is none": (
        lambda h: h.mad().leaf_pem(KEY, certs.agent_uri("../root")),
        S.UNAUTHENTICATED,
    ),
    "with another scheme's name": (
        lambda h: h.mad().leaf_pem(KEY, x509.UniformResourceIdentifier("spiffe://muster/control-plane")),
        S.UNAUTHENTICATED,
    ),
}


@pytest.mark.parametrize(("make", "status"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_a_bad_certificate(control: House, make: Callable[[House], bytes], status: grpc.StatusCode) -> None:
    chain = make(control)
    await control.put_in_force(chain)  # so that nothing but the certificate itself speaks against it
    async with unharmed(control), control.channel(certs.key_pem(KEY), chain) as channel:
        assert (await session_status(channel))[0] is status


async def test_a_certificate_that_we_never_issued(control: House) -> None:
    chain = control.mad().leaf_pem(KEY, certs.agent_uri(NAME))
    async with unharmed(control), control.channel(certs.key_pem(KEY), chain) as channel:
        assert (await session_status(channel))[0] is S.UNAUTHENTICATED


async def test_a_certificate_of_another_agent_by_serial(control: House) -> None:
    chain = control.mad().leaf_pem(KEY, certs.agent_uri(NAME))
    await control.put_in_force(chain, OTHER)
    async with unharmed(control), control.channel(certs.key_pem(KEY), chain) as channel:
        assert (await session_status(channel))[0] is S.UNAUTHENTICATED


async def test_the_common_name_counts_for_nothing(control: House) -> None:
    chain = control.mad().leaf_pem(KEY, certs.agent_uri(NAME), common_name=OTHER)
    await control.put_in_force(chain)
    async with control.channel(certs.key_pem(KEY), chain) as channel:
        assert (await session_status(channel))[0] is S.OK
        assert (await control.sessions.opened.get()).agent == NAME


async def test_no_certificate(control: House) -> None:
    credentials = grpc.ssl_channel_credentials(control.authority.roots_pem())
    async with unharmed(control), grpc.aio.secure_channel(control.address, credentials) as channel:
        assert (await session_status(channel))[0] is S.UNAVAILABLE


async def test_no_tls(control: House) -> None:
    async with unharmed(control), grpc.aio.insecure_channel(control.address) as channel:
        assert (await session_status(channel))[0] is S.UNAVAILABLE


async def test_old_tls(control: House) -> None:
    context = ssl.create_default_context(cadata=control.authority.roots_pem().decode())
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with unharmed(control):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("localhost", control.port, ssl=context)


async def test_an_agent_does_not_trust_another_control_plane(control: House) -> None:
    identity = replace(await control.joined(), roots=certs.Forge().root_pem().decode())
    async with unharmed(control), control.link(identity) as link:
        with pytest.raises(Refused, match="another root"):
            async with link.session(HELLO):
                pass


@pytest.mark.parametrize(
    ("host", "ends", "why"),
    [("localhost", timedelta(hours=-1), "it has expired"), ("elsewhere", LATER, "made for another name")],
)
async def test_a_control_plane_whose_certificate_is_bad(control: House, host: str, ends: timedelta, why: str) -> None:
    await control.stop()
    chain = control.mad().leaf_pem(KEY, x509.DNSName(host), usages=(ExtendedKeyUsageOID.SERVER_AUTH,), ends=ends)
    server = grpc.aio.server()
    server.add_secure_port(control.address, grpc.ssl_server_credentials([(certs.key_pem(KEY), chain)]))
    await server.start()
    async with control.link() as link:
        with pytest.raises(Refused, match=why):
            async with link.session(HELLO):
                pass
    await server.stop(0)


async def test_an_agent_whose_certificate_ended_is_told_what_to_do(control: House) -> None:
    private = certs.key()
    chain = control.mad().leaf_pem(private, certs.agent_uri(NAME), begins=timedelta(days=-2), ends=timedelta(days=-1))
    joined = await control.joined()
    identity = replace(joined, key=certs.key_pem(private).decode(), chain=chain.decode(), received=0.0)
    async with unharmed(control), control.link(identity) as link:
        with pytest.raises(Refused, match=r"expired at .* run: muster agents create dev-runner"):
            async with link.session(HELLO):
                pass


async def test_a_copy_of_an_agent_fences_or_is_fenced(control: House) -> None:
    identity = await control.joined()
    async with control.link(identity) as first, control.link(identity) as second, first.session(HELLO) as session:
        there = await control.sessions.opened.get()
        async with second.session(HELLO):
            await there.to_say.put(Fenced("another session of this agent began"))
            with pytest.raises(Fenced):
                await anext(session.received())


# --- revocation --------------------------------------------------------------------------------------------------


async def test_revoking_cuts_every_stream_at_once(control: House) -> None:
    there = control.progress.of()
    async with control.link() as link, link.session(HELLO) as session, link.journal(ATTEMPT) as journal:
        lines = journal.received()
        assert await anext(lines) == 0
        async with asyncio.timeout(3):  # far below the time after which it would be looked up anyway
            await control.enrolment.revoke(NAME)
            for ends in (session.received(), lines):
                with pytest.raises(Refused, match="muster agents create dev-runner"):
                    await anext(ends)
        await there.until(lambda: there.open_now == 0)
        with pytest.raises(Refused):  # on the connection that is still there
            async with link.session(HELLO):
                pass
    control.sessions.opened.get_nowait()
    async with unharmed(control), control.link(link.identity) as again:  # on a new one
        with pytest.raises(Refused):
            async with again.session(HELLO):
                pass


async def test_a_revocation_whose_signal_was_lost_cuts_the_stream_later(
    control: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "TICK", 0.01)
    monkeypatch.setattr(gate, "LOOK_AGAIN", 0.05)
    async with control.link() as link, link.session(HELLO) as session:
        there = await control.sessions.opened.get()
        monkeypatch.setattr(control.signals, "publish", lambda *_: None)
        await control.enrolment.revoke(NAME)
        with pytest.raises(Refused, match="revoked or replaced"):
            async for _ in session.received():
                pass
        await there.closed.wait()


async def test_a_revoked_agent_stays_out_after_a_restart(control: House) -> None:
    identity = await control.joined()
    await control.enrolment.revoke(NAME)
    await control.stop()
    await control.start()
    async with unharmed(control), control.link(identity) as link:
        with pytest.raises(Refused):
            async with link.session(HELLO):
                pass


async def test_revoking_one_leaves_the_others(control: House) -> None:
    other = await control.joined(OTHER)
    async with control.link(other) as link, link.session(HELLO) as session:
        there = await control.sessions.opened.get()
        await control.joined(NAME)
        await control.enrolment.revoke(NAME)
        await there.to_say.put(Fenced("still there"))
        with pytest.raises(Fenced, match="still there"):
            await anext(session.received())


# --- versions ----------------------------------------------------------------------------------------------------

OURS = f"{OLDEST_PROTOCOL} to {PROTOCOL}"


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        (replace(HELLO, protocol=9, oldest_protocol=5), rf"\(0\.1\.0\).*5 to 9.*\(9\.9\.9\).*{OURS}.*control plane$"),
        (replace(HELLO, protocol=0, oldest_protocol=0), rf"0 to 0.*{OURS}.*upgrade the agent$"),
        (replace(HELLO, language=0), r"version 0.*version 1.*upgrade the agent$"),
    ],
)
async def test_versions_that_do_not_meet(control: House, hello: Hello, words: str) -> None:
    async with unharmed(control), control.link() as link:
        with pytest.raises(Refused, match=words):
            async with link.session(hello):
                pass


async def test_a_newer_agent_that_still_speaks_the_old_protocol(control: House) -> None:
    hello = replace(HELLO, protocol=7, oldest_protocol=1, language=3)
    async with control.link() as link, link.session(hello) as session:
        assert session.welcome.protocol == PROTOCOL
    async with control.link() as link, link.session(replace(HELLO, protocol=OLDEST_PROTOCOL)) as session:
        assert session.welcome.protocol == OLDEST_PROTOCOL


# --- messages ----------------------------------------------------------------------------------------------------

SESSION, JOURNAL = "/muster.v1.Sessions/Open", "/muster.v1.Journals/Stream"
HELLO_BYTES = codec.encode_agent(HELLO).SerializeToString()
HEADER_BYTES = codec.encode_header(ATTEMPT).SerializeToString()
MESSAGES: dict[str, tuple[str, list[bytes], grpc.StatusCode]] = {
    "no Hello": (SESSION, [wire.AgentMessage(draining=wire.Draining()).SerializeToString()], S.INVALID_ARGUMENT),
    "nothing at all": (SESSION, [], S.INVALID_ARGUMENT),
    "an empty message": (SESSION, [b""], S.INVALID_ARGUMENT),
    "garbage": (SESSION, [b"\xff" * 100], S.INVALID_ARGUMENT),
    "too much": (SESSION, [bytes(4 * 1024 * 1024 + 1)], S.RESOURCE_EXHAUSTED),
    "a journal without a header": (JOURNAL, [codec.encode_down(1).SerializeToString()], S.INVALID_ARGUMENT),
    "a journal of nothing": (JOURNAL, [], S.INVALID_ARGUMENT),
    "an unknown method": ("/muster.v1.Sessions/Reveal", [b""], S.UNIMPLEMENTED),
    "reflection": ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", [b""], S.UNIMPLEMENTED),
}


async def raw_status(channel: grpc.aio.Channel, method: str, messages: list[bytes]) -> grpc.StatusCode:
    call: RawCall = channel.stream_stream(method)(timeout=10)
    ending = Ending(call)
    try:
        for message in messages:
            await call.write(message)
        await call.done_writing()
        while await call.read() is not grpc.aio.EOF:
            pass
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass
    return (await ending.status())[0]


@asynccontextmanager
async def insider(control: House, *options: tuple[str, int]) -> AsyncIterator[grpc.aio.Channel]:
    """A well certified agent that does as it likes."""
    identity = await control.joined()
    unlimited = (("grpc.max_send_message_length", -1), *options)
    async with control.channel(identity.key.encode(), identity.chain.encode(), unlimited) as channel:
        yield channel


@pytest.mark.parametrize(("method", "messages", "status"), MESSAGES.values(), ids=MESSAGES)
async def test_a_bad_message(control: House, method: str, messages: list[bytes], status: grpc.StatusCode) -> None:
    async with unharmed(control), insider(control) as channel:
        assert await raw_status(channel, method, messages) is status


async def test_a_second_hello_or_header(control: House) -> None:
    control.progress.of()
    async with insider(control) as channel:
        assert await raw_status(channel, SESSION, [HELLO_BYTES] * 2) is S.INVALID_ARGUMENT
        assert await raw_status(channel, JOURNAL, [HEADER_BYTES] * 2) is S.INVALID_ARGUMENT


async def test_a_compressed_bomb(control: House) -> None:
    async with unharmed(control), insider(control) as channel:
        call: RawCall = channel.stream_stream(SESSION)(compression=grpc.Compression.Gzip, timeout=10)
        ending = Ending(call)
        with pytest.raises(grpc.aio.AioRpcError):
            await call.write(bytes(200 * 1024 * 1024))
            await call.read()
        assert (await ending.status())[0] in {S.UNIMPLEMENTED, S.RESOURCE_EXHAUSTED}


async def test_endless_metadata(control: House) -> None:
    async with unharmed(control), insider(control) as channel:
        call: RawCall = channel.stream_stream(SESSION)(metadata=(("x", "y" * 100_000),), timeout=10)
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()


async def test_a_gigabyte_that_is_announced(control: House) -> None:
    """By hand, since a gRPC client would have to hold it: the length alone is refused."""
    identity = await control.joined()
    files = control.folder / "pair.pem"
    files.write_text(identity.key + identity.chain)
    context = ssl.create_default_context(cadata=identity.roots)
    context.load_cert_chain(files)
    context.set_alpn_protocols(["h2"])
    async with unharmed(control):
        reader, writer = await asyncio.open_connection("localhost", control.port, ssl=context)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
        writer.write(frame(1, 4, 1, headers(SESSION)))
        writer.write(frame(0, 0, 1, b"\x00" + (2**30).to_bytes(4, "big") + b"x" * 1000))
        async with asyncio.timeout(5):
            while True:
                head = await reader.readexactly(9)
                await reader.readexactly(int.from_bytes(head[:3], "big"))
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
                if stream == 1 and (kind == 3 or (kind == 1 and flags & 1)):  # RST_STREAM, or trailers
                    break
        writer.close()


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


def headers(path: str) -> bytes:
    """HPACK: literals without indexing."""
    pairs = {":method": "POST", ":scheme": "https", ":path": path, ":authority": "localhost"}
    pairs |= {"content-type": "application/grpc", "te": "trailers"}
    return b"".join(
        b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in pairs.items()
    )


async def test_streams_opened_and_reset_at_once(control: House) -> None:
    identity = await control.joined()
    for name in ("key", "chain", "roots"):
        (control.folder / name).write_text(getattr(identity, name))
    flood = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.control_plane.rpc.flood", control.address),
        *(control.folder / name for name in ("key", "chain", "roots")),
        SESSION,
        stdout=asyncio.subprocess.PIPE,
    )
    assert flood.stdout is not None
    assert await flood.stdout.readline() == b"flooded\n"
    async with unharmed(control):
        pass
    flood.kill()
    await flood.wait()


async def test_connections_that_say_nothing(control: House) -> None:
    idle = [await asyncio.open_connection("localhost", control.port) for _ in range(200)]
    for _, writer in idle[:100]:
        writer.write(b"\x16\x03\x01" + bytes(10))
    async with unharmed(control):
        pass
    for _, writer in idle:
        writer.close()


async def test_a_port_that_is_taken(control: House) -> None:
    second = House(control.folder / "second", control.lives, port=control.port)
    second.port = control.port
    with pytest.raises(PortTaken, match=str(control.port)):
        await second.start()
    second.doorstep.close()
    async with unharmed(control):
        pass


async def test_link_down_says_what_may_be_wrong(control: House) -> None:
    strange = certs.Forge().leaf_pem(KEY, certs.agent_uri(NAME)).decode()
    identity = replace(await control.joined(), key=certs.key_pem(KEY).decode(), chain=strange)
    async with unharmed(control), control.link(identity) as link:
        with pytest.raises(LinkDown, match="may not know the root"):
            async with link.session(HELLO):
                pass
