"""Joining over HTTPS: the pin, the token, the file; and who is not trusted."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl
import stat
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from agent.link import identity
from agent.link.enrolment import enrol
from agent.link.join import BadJoin, parse
from control_plane.web.enrolment import MAX_BODY
from tests.contracts.authority import certs
from tests.control_plane.rpc.house import HELLO, NAME, House
from tests.control_plane.services.test_enrolment import content_of
from workflow.session import LinkDown, Refused


async def invited(control: House) -> str:
    return await control.enrolment.invite(NAME, {"environment": "dev"})


def changed(join: str, **parts: str) -> str:
    content = json.dumps({**content_of(join), **parts}).encode()
    return "mj1." + base64.urlsafe_b64encode(content).decode().rstrip("=")


async def test_an_invited_agent_joins_and_speaks(control: House, tmp_path: Path) -> None:
    state = tmp_path / "agent"
    async with control.door():
        found = await enrol(f"  {await invited(control)}\n", state)
    assert found.name == NAME
    assert identity.load(state) == found
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert [path.name for path in state.iterdir()] == ["identity.json"]
    assert stat.S_IMODE((state / "identity.json").stat().st_mode) == 0o600
    async with control.link(found) as link, link.session(HELLO):
        assert (await control.sessions.opened.get()).agent == NAME


async def test_of_two_agents_with_one_token_one_joins(control: House, tmp_path: Path) -> None:
    join = await invited(control)
    async with control.door():
        comers = [enrol(join, tmp_path / str(number)) for number in range(4)]
        ends = await asyncio.gather(*comers, return_exceptions=True)
    refused = [end for end in ends if isinstance(end, Refused)]
    assert len(refused) == 3
    assert "muster agents create" in str(refused[0])
    assert sum((tmp_path / str(number)).exists() for number in range(4)) == 1


async def test_a_server_with_another_root_never_sees_the_token(
    control: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    join = changed(await invited(control), pin="sha256:" + "0" * 64)
    async with control.door():
        with pytest.raises(Refused, match="not the one that made this invitation"):
            await enrol(join, tmp_path / "agent")
    assert not (tmp_path / "agent").exists()
    row = await control.store.read(lambda unit: unit.fleet.get(NAME))
    assert row is not None
    assert row.token_hash is not None


async def test_a_server_that_repeats_our_root_but_has_no_key_of_it(control: House, tmp_path: Path) -> None:
    """It serves the right roots, which anybody can, and then shows a certificate of its own."""
    private = certs.key()
    forged = certs.Forge()
    (tmp_path / "pair.pem").write_bytes(certs.key_pem(private) + forged.leaf_pem(private, usages=()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        body = control.authority.roots_pem()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        join = changed(await invited(control), enrol=f"https://localhost:{port}")
        with pytest.raises(Refused, match="not to be trusted"):
            await enrol(join, tmp_path / "agent")
    assert len(asked) == 1
    assert asked[0].startswith(b"GET /ca.pem ")


async def test_a_server_under_another_name(control: House, tmp_path: Path) -> None:
    join = await invited(control)
    port = control.doorstep.getsockname()[1]
    async with control.door():
        with pytest.raises((Refused, LinkDown)):
            await enrol(changed(join, enrol=f"https://127.0.0.2:{port}"), tmp_path / "agent")


async def test_nobody_is_there(control: House, tmp_path: Path) -> None:
    join = await invited(control)
    control.doorstep.close()
    with pytest.raises(LinkDown, match="cannot be reached"):
        await enrol(join, tmp_path / "agent")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mj1.",
        "mj2.abc",
        "mj1.!!!!",
        "mj1." + "A" * 5000,
        "mj1." + base64.urlsafe_b64encode(b"[]").decode(),
        "mj1." + base64.urlsafe_b64encode(b'{"server": 1}').decode(),
        "mj1." + base64.urlsafe_b64encode(b"[" * 3000).decode(),
    ],
)
def test_what_is_no_join_string(text: str) -> None:
    with pytest.raises(BadJoin) as refusal:
        parse(text)
    assert "muster agents create" in str(refusal.value)


@pytest.mark.parametrize(
    "parts",
    [
        {"enrol": "http://localhost:1"},
        {"enrol": "https://localhost:1/path"},
        {"enrol": "https://user@localhost:1"},
        {"server": "localhost"},
        {"pin": "md5:0"},
        {"token": ""},
        {"token": "a b" * 10},
    ],
)
async def test_a_join_string_with_a_wrong_part(control: House, parts: dict[str, str]) -> None:
    join = await invited(control)
    with pytest.raises(BadJoin) as refusal:
        parse(changed(join, **parts))
    assert str(content_of(join)["token"]) not in str(refusal.value)


async def test_the_token_is_in_no_repr(control: House) -> None:
    join = await invited(control)
    assert str(content_of(join)["token"]) not in repr(parse(join))


async def test_nothing_is_logged_of_the_token(control: House, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    join = await invited(control)
    with caplog.at_level(logging.DEBUG):
        async with control.door():
            found = await enrol(join, tmp_path / "agent")
    assert str(content_of(join)["token"]) not in caplog.text
    assert found.key.splitlines()[1] not in caplog.text
    assert found.key not in repr(found)


async def test_a_disk_that_refuses(control: House, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    join = await invited(control)
    async with control.door():
        with pytest.raises(OSError, match="file"):
            await enrol(join, tmp_path / "file" / "agent")


# --- the file ----------------------------------------------------------------------------------------------------


def test_there_is_no_identity_yet(tmp_path: Path) -> None:
    assert identity.load(tmp_path) is None


async def test_a_damaged_identity(control: House) -> None:
    await control.joined()
    path = control.folder / NAME / "identity.json"
    whole = path.read_text()
    for content in ("", "{", "[]", "{}", whole.replace('"life": ', '"life": -'), whole.replace("BEGIN CERT", "BEGIN")):
        path.write_text(content)
        with pytest.raises(Refused, match="join again"):
            identity.load(path.parent)


async def test_a_key_of_another_certificate(control: House) -> None:
    mine, other = await control.joined(), await control.joined(type(NAME)("prod-runner"))
    identity.save(control.folder / NAME, replace(mine, key=other.key))
    with pytest.raises(Refused, match="damaged"):
        identity.load(control.folder / NAME)


async def test_when_a_renewal_is_due(control: House) -> None:
    mine = replace(await control.joined(), received=1000.0, life=90)
    assert mine.due_in(1000) == 60
    assert mine.due_in(1059) == 1
    assert mine.due_in(5000) == 0
    assert mine.due_in(999) == 0  # the clock went back: who knows how long ago it came


# --- the port ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"token": "x", "csr": "AAA"}', 400),
        (b'{"token": "x", "csr": "AAAA", "name": "prod-runner"}', 400),
        (b'{"token": "wrong-wrong-wrong", "csr": "AAAA"}', 403),
        (b"x" * (MAX_BODY + 1), 413),
    ],
)
async def test_what_the_port_refuses(control: House, body: bytes, status: int) -> None:
    url = f"https://localhost:{control.doorstep.getsockname()[1]}"
    trust = ssl.create_default_context(cadata=control.authority.roots_pem().decode())
    async with control.door(), httpx.AsyncClient(verify=trust) as client:
        answer = await client.post(f"{url}/v1/enrol", content=body)
        assert answer.status_code == status
        assert answer.json()["detail"]
        assert (await client.get(f"{url}/docs")).status_code == 404
        assert (await client.get(f"{url}/openapi.json")).status_code == 404


async def test_the_port_is_https_alone(control: House) -> None:
    async with control.door(), httpx.AsyncClient() as client:
        with pytest.raises(httpx.HTTPError):
            await client.get(f"http://localhost:{control.doorstep.getsockname()[1]}/ca.pem")


async def test_wrong_tokens_are_limited(control: House) -> None:
    url = f"https://localhost:{control.doorstep.getsockname()[1]}/v1/enrol"
    trust = ssl.create_default_context(cadata=control.authority.roots_pem().decode())
    async with control.door(), httpx.AsyncClient(verify=trust) as client:
        wish = {"token": "wrong-wrong-wrong", "csr": "AAAA"}
        seen = [(await client.post(url, json=wish)).status_code for _ in range(12)]
    assert seen == [403] * 10 + [429] * 2
