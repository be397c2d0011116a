"""Invitations, certificates and revocation, on the store's twin and a real authority."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import pytest

from control_plane.adapters.memory import ManualClock, MemoryStore
from control_plane.adapters.signals import LocalSignals
from control_plane.adapters.x509 import Lives, X509Authority
from control_plane.ports.authority import BadRequest
from control_plane.ports.records import AgentRow, AgentState
from control_plane.services.enrolment import JOIN_PREFIX, Address, Enrolment, SlowDown
from control_plane.services.patience import ADDRESSES, WINDOW, WRONG, Patience
from tests.contracts.authority import certs
from workflow.identifiers import AgentName
from workflow.session import Refused

NAME = AgentName("dev-runner")
LABELS = {"environment": "dev"}


@dataclass
class House:
    """The service and what it stands on."""

    store: MemoryStore
    signals: LocalSignals
    clock: ManualClock
    authority: X509Authority
    enrolment: Enrolment

    async def invited(self, name: AgentName = NAME) -> str:
        """A token."""
        return token_of(await self.enrolment.invite(name, LABELS, 4))

    async def joined(self, name: AgentName = NAME) -> str:
        """A serial."""
        grant = await self.enrolment.enrol(await self.invited(name), certs.request(certs.key()))
        return grant.issued.serial

    async def row(self, name: AgentName = NAME) -> AgentRow:
        row = await self.store.read(lambda unit: unit.fleet.get(name))
        assert row is not None
        return row


def token_of(join: str) -> str:
    return str(content_of(join)["token"])


def content_of(join: str) -> dict[str, object]:
    encoded = join.removeprefix(JOIN_PREFIX)
    content = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    assert isinstance(content, dict)
    return content


@pytest.fixture
def house(tmp_path: Path) -> House:
    store, signals, clock = MemoryStore(), LocalSignals(), ManualClock()
    authority = X509Authority(tmp_path / "ca", ["localhost"], clock, Lives(agent=600))
    address = Address("localhost:7000", "https://localhost:7001")
    return House(store, signals, clock, authority, Enrolment(store, authority, signals, clock, address))


async def test_an_invitation_says_all_that_an_agent_needs(house: House) -> None:
    join = await house.enrolment.invite(NAME, LABELS, 4)
    assert join.startswith("mj1.")
    content = content_of(join)
    token = str(content.pop("token"))
    assert content == {"server": "localhost:7000", "enrol": "https://localhost:7001", "pin": house.authority.pin()}
    row = await house.row()
    assert (row.state, row.labels, row.max_concurrent) == (AgentState.INVITED, LABELS, 4)
    assert token not in repr(row)


async def test_the_invited_agent_joins(house: House) -> None:
    with house.signals.subscribe(f"agent/{NAME}") as heard:
        grant = await house.enrolment.enrol(await house.invited(), certs.request(certs.key()))
        assert await heard.wait(0)
    assert (grant.name, grant.life, grant.roots_pem) == (NAME, 600, house.authority.roots_pem())
    row = await house.row()
    assert (row.state, row.serials, row.token_hash) == (AgentState.ACTIVE, (grant.issued.serial,), None)
    assert await house.enrolment.admit(NAME, grant.issued.serial) == row


async def test_a_token_is_good_once(house: House) -> None:
    token = await house.invited()
    await house.enrolment.enrol(token, certs.request(certs.key()))
    with pytest.raises(Refused, match="muster agents create"):
        await house.enrolment.enrol(token, certs.request(certs.key()))


async def test_of_two_who_race_one_wins(house: House) -> None:
    token = await house.invited()
    comers = [house.enrolment.enrol(token, certs.request(certs.key())) for _ in range(8)]
    ends = await asyncio.gather(*comers, return_exceptions=True)
    won = [end for end in ends if not isinstance(end, BaseException)]
    assert len(won) == 1
    assert all(isinstance(end, Refused) for end in ends if end is not won[0])
    assert (await house.row()).serials == (won[0].issued.serial,)


async def test_a_token_expires(house: House) -> None:
    token = await house.invited()
    house.clock.jump(60 * 60)
    with pytest.raises(Refused, match="expired"):
        await house.enrolment.enrol(token, certs.request(certs.key()))
    assert (await house.row()).state is AgentState.INVITED


async def test_a_later_invitation_ends_the_earlier_one(house: House) -> None:
    first, second = await house.invited(), await house.invited()
    with pytest.raises(Refused):
        await house.enrolment.enrol(first, certs.request(certs.key()))
    assert await house.enrolment.enrol(second, certs.request(certs.key()))


async def test_a_bad_request_does_not_use_the_token_up(house: House) -> None:
    token = await house.invited()
    with pytest.raises(BadRequest):
        await house.enrolment.enrol(token, b"nonsense")
    assert await house.enrolment.enrol(token, certs.request(certs.key()))


@pytest.mark.parametrize("token", ["", "x", "x" * 100_000, "\udc80", "mj1."])
async def test_a_wrong_token_changes_nothing(house: House, token: str) -> None:
    await house.invited()
    before = await house.row()
    with pytest.raises(Refused):
        await house.enrolment.enrol(token, certs.request(certs.key()))
    assert await house.row() == before


async def test_wrong_tokens_are_limited_by_address(house: House) -> None:
    token = await house.invited()
    for _ in range(WRONG):
        with pytest.raises(Refused, match="unknown"):
            await house.enrolment.enrol("wrong", b"", source="10.0.0.1")
    with pytest.raises(SlowDown):
        await house.enrolment.enrol(token, certs.request(certs.key()), source="10.0.0.1")
    with pytest.raises(Refused, match="unknown"):
        await house.enrolment.enrol("wrong", b"", source="10.0.0.2")
    await house.clock.advance(WINDOW)
    assert await house.enrolment.enrol(token, certs.request(certs.key()), source="10.0.0.1")


def test_addresses_are_forgotten() -> None:
    patience = Patience(ManualClock())
    for number in range(ADDRESSES + 10):
        patience.lose(str(number))
    assert len(patience._wrong) == ADDRESSES


async def test_joining_again_ends_the_certificates_before(house: House) -> None:
    old = await house.joined()
    token = await house.invited()
    assert await house.enrolment.admit(NAME, old)
    with house.signals.subscribe(f"trust/{NAME}") as heard:
        await house.enrolment.enrol(token, certs.request(certs.key()))
        assert await heard.wait(0)
    with pytest.raises(Refused, match="muster agents create dev-runner"):
        await house.enrolment.admit(NAME, old)


async def test_renewal_keeps_both_until_the_next(house: House) -> None:
    first = await house.joined()
    second = (await house.enrolment.renew(NAME, first, certs.request(certs.key()))).issued.serial
    assert await house.enrolment.admit(NAME, first)
    third = (await house.enrolment.renew(NAME, second, certs.request(certs.key()))).issued.serial
    assert (await house.row()).serials == (second, third)
    with pytest.raises(Refused):
        await house.enrolment.renew(NAME, first, certs.request(certs.key()))


async def test_a_copy_of_an_identity_cannot_renew_beside_it(house: House) -> None:
    copied = await house.joined()
    honest = (await house.enrolment.renew(NAME, copied, certs.request(certs.key()))).issued.serial
    with house.signals.subscribe(f"trust/{NAME}") as heard:
        thief = (await house.enrolment.renew(NAME, copied, certs.request(certs.key()))).issued.serial
        assert await heard.wait(0)
    assert await house.enrolment.admit(NAME, thief)
    with pytest.raises(Refused, match="replaced"):  # the honest one is told, and a person looks
        await house.enrolment.admit(NAME, honest)


async def test_nobody_renews_for_another(house: House) -> None:
    mine = await house.joined()
    await house.joined(AgentName("prod-runner"))
    with pytest.raises(Refused):
        await house.enrolment.renew(AgentName("prod-runner"), mine, certs.request(certs.key()))
    with pytest.raises(Refused):
        await house.enrolment.renew(AgentName("nobody"), mine, certs.request(certs.key()))


async def test_revoking_ends_everything(house: House) -> None:
    serial = await house.joined()
    token = await house.invited()
    with house.signals.subscribe(f"trust/{NAME}") as trust, house.signals.subscribe(f"agent/{NAME}") as agent:
        assert await house.enrolment.revoke(NAME)
        assert await trust.wait(0)
        assert await agent.wait(0)
    for attempt in (
        house.enrolment.admit(NAME, serial),
        house.enrolment.renew(NAME, serial, certs.request(certs.key())),
        house.enrolment.enrol(token, certs.request(certs.key())),
    ):
        with pytest.raises(Refused):
            await attempt
    assert not await house.enrolment.revoke(AgentName("nobody"))


async def test_a_revoked_agent_comes_back_by_invitation_alone(house: House) -> None:
    old = await house.joined()
    await house.enrolment.revoke(NAME)
    new = await house.joined()
    assert await house.enrolment.admit(NAME, new)
    with pytest.raises(Refused):
        await house.enrolment.admit(NAME, old)


@pytest.mark.parametrize(
    ("labels", "limit"),
    [
        ({"name": "x"}, None),
        ({"Id": "x"}, None),
        ({"": "x"}, None),
        ({"a": "x" * 254}, None),
        ({"a\n": "x"}, None),
        ({str(n): "x" for n in range(65)}, None),
        ({}, 0),
    ],
)
async def test_what_cannot_be_granted_is_refused(house: House, labels: dict[str, str], limit: int | None) -> None:
    with pytest.raises(ValueError, match=r"label|agent"):
        await house.enrolment.invite(NAME, labels, limit)


async def test_the_audit_knows_everything_but_the_token(house: House, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        join = await house.enrolment.invite(NAME, LABELS)
        token = token_of(join)
        grant = await house.enrolment.enrol(token, certs.request(certs.key()))
        with pytest.raises(Refused):
            await house.enrolment.enrol(token, b"", source="10.0.0.1")
        await house.enrolment.renew(NAME, grant.issued.serial, certs.request(certs.key()))
        await house.enrolment.revoke(NAME)
    for said in ("invited", "joined", "from 10.0.0.1", "renewed", "revoked", grant.issued.serial):
        assert said in caplog.text
    assert token not in caplog.text
    assert join not in caplog.text
