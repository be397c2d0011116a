"""Who may speak as which agent: invitations, certificates, revocation.

Called by control_plane.web.enrolment (enrol), control_plane.rpc (admit, renew) and people's calls (invite, revoke).
Knows nothing of sessions: it changes an agent's row and publishes; who holds a stream of that agent hears it and asks
``admit`` again.

Topics: ``agent/<name>`` after every change, ``trust/<name>`` where certificates that were in force no longer are.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from control_plane.ports.authority import Authority, BadRequest, Issued
from control_plane.ports.clock import Clock
from control_plane.ports.records import AgentRow, AgentState
from control_plane.ports.signals import Signals
from control_plane.ports.store import Store, Unit
from control_plane.services.patience import Patience
from workflow.identifiers import SECOND, AgentName, Instant
from workflow.labels import BUILT_IN
from workflow.session import Refused

JOIN_PREFIX: Final = "mj1."
MAX_TOKEN: Final = 200
"""Characters of a token at the most."""
MAX_LABELS: Final = 64
MAX_LABEL_TEXT: Final = 253
"""Characters of a label's key or value at the most."""

audit = logging.getLogger("muster.audit")
"""Who came, who was turned away. Never a token."""


class SlowDown(Refused):
    """Too many wrong tokens came from there; nothing was looked at."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where agents find us: ``server`` is host:port of the agents' port, ``enrol`` the https URL of the enrolment
    port."""

    server: str
    enrol: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A certificate, the roots to trust from now on, and how long it lives in seconds."""

    name: AgentName
    issued: Issued
    roots_pem: bytes
    life: int


class Enrolment:
    """The service. ``token_life``: seconds for which an invitation holds."""

    def __init__(
        self,
        store: Store,
        authority: Authority,
        signals: Signals,
        clock: Clock,
        address: Address,
        *,
        token_life: int = 60 * 60,
    ) -> None:
        self._store = store
        self._authority = authority
        self._signals = signals
        self._clock = clock
        self._address = address
        self._token_life = token_life
        self._patience = Patience(clock)

    # --- people --------------------------------------------------------------------------------------------------

    async def invite(self, name: AgentName, labels: Mapping[str, str], max_concurrent: int | None = None) -> str:
        """A join string for one use. The agent gets these labels, whatever it had; a certificate that it has holds on
        until the invitation is taken. An earlier invitation ends. ValueError, with a sentence, for labels that cannot
        be granted."""
        _grantable(labels, max_concurrent)
        token = secrets.token_urlsafe(32)
        await self._store.write(lambda unit: self._invited(unit, name, dict(labels), max_concurrent, _hash(token)))
        audit.info("agent %s: invited", name)
        self._signals.publish(f"agent/{name}", "queue")
        join = {
            "server": self._address.server,
            "enrol": self._address.enrol,
            "pin": self._authority.pin(),
            "token": token,
        }
        encoded = base64.urlsafe_b64encode(json.dumps(join, separators=(",", ":")).encode())
        return JOIN_PREFIX + encoded.rstrip(b"=").decode()

    def _invited(
        self, unit: Unit, name: AgentName, labels: dict[str, str], max_concurrent: int | None, token_hash: str
    ) -> None:
        now = self._clock.now()
        old = unit.fleet.get(name)
        row = old or AgentRow(name, labels, AgentState.INVITED, now)
        row = replace(
            row,
            labels=labels,
            max_concurrent=max_concurrent,
            token_hash=token_hash,
            token_expires=Instant(now + self._token_life * SECOND),
            state=AgentState.INVITED if row.state is AgentState.REVOKED else row.state,
        )
        (unit.fleet.put if old else unit.fleet.add)(row)

    async def revoke(self, name: AgentName) -> bool:
        """End every certificate and invitation of this agent; its streams are cut at once. False where there is no
        such agent."""
        known = await self._store.write(lambda unit: _revoked(unit, name))
        if known:
            audit.warning("agent %s: revoked", name)
            self._signals.publish(f"agent/{name}", f"trust/{name}", "queue")
        return known

    # --- agents --------------------------------------------------------------------------------------------------

    def roots_pem(self) -> bytes:
        """What GET /ca.pem serves."""
        return self._authority.roots_pem()

    async def enrol(self, token: str, csr_der: bytes, *, source: str = "") -> Grant:
        """Take an invitation: of two who come with the same token one wins. Every older certificate of the agent
        ends. ``source``: whence it came, for the limit of wrong tokens. Refused, SlowDown, BadRequest (the token
        stays good)."""
        if not self._patience.left(source):
            raise SlowDown("too many wrong tokens came from this address; try again in a minute")
        token_hash = _hash(token) if len(token) <= MAX_TOKEN else ""
        row = await self._store.read(lambda unit: self._invited_by(unit, token_hash))
        if row is None:
            self._patience.lose(source)
            audit.warning("enrolment refused: unknown, used or expired token, from %s", source or "an unknown address")
            raise Refused(_NO_INVITATION)
        issued = self._issue(row.name, csr_der)
        if not await self._store.write(lambda unit: self._joined(unit, token_hash, row.name, issued.serial)):
            audit.warning("agent %s: a second one came with the same token", row.name)
            raise Refused(_NO_INVITATION)
        audit.info("agent %s: joined, certificate %s", row.name, issued.serial)
        self._signals.publish(f"agent/{row.name}", f"trust/{row.name}", "queue")
        return self._grant(row.name, issued)

    async def renew(self, name: AgentName, serial: str, csr_der: bytes) -> Grant:
        """A new certificate for the holder of one in force, which stays in force beside it. Two holders of the same
        one cannot both go on renewing: the later renewal ends what the earlier one brought. Refused, BadRequest."""
        await self.admit(name, serial)
        issued = self._issue(name, csr_der)
        kept = await self._store.write(lambda unit: _renewed(unit, name, serial, issued.serial))
        if kept is None:
            raise Refused(_not_in_force(name))
        audit.info("agent %s: certificate %s renewed by %s", name, serial, issued.serial)
        if not kept:
            self._signals.publish(f"trust/{name}")
        return self._grant(name, issued)

    async def admit(self, name: AgentName, serial: str) -> AgentRow:
        """The agent's row, when this certificate of it is in force. Refused."""
        row = await self._store.read(lambda unit: unit.fleet.get(name))
        if row is None or row.state is AgentState.REVOKED or serial not in row.serials:
            audit.warning("agent %s: refused, certificate %s is not in force", name, serial)
            raise Refused(_not_in_force(name))
        return row

    def _invited_by(self, unit: Unit, token_hash: str) -> AgentRow | None:
        row = unit.fleet.by_token(token_hash) if token_hash else None
        if row is None or row.token_hash is None or not hmac.compare_digest(row.token_hash, token_hash):
            return None
        return row if row.token_expires is not None and self._clock.now() < row.token_expires else None

    def _joined(self, unit: Unit, token_hash: str, name: AgentName, serial: str) -> bool:
        row = self._invited_by(unit, token_hash)
        if row is None or row.name != name:
            return False
        state = AgentState.ACTIVE if row.state is AgentState.INVITED else row.state
        unit.fleet.put(replace(row, state=state, token_hash=None, token_expires=None, serials=(serial,)))
        return True

    def _issue(self, name: AgentName, csr_der: bytes) -> Issued:
        try:
            return self._authority.issue_agent(name, csr_der)
        except BadRequest as problem:
            audit.warning("agent %s: certificate request refused: %s", name, problem)
            raise

    def _grant(self, name: AgentName, issued: Issued) -> Grant:
        life = max(int(issued.not_after - self._clock.now() / SECOND), 1)
        return Grant(name, issued, self._authority.roots_pem(), life)


_NO_INVITATION = (
    "this invitation is unknown, used or expired; "
    "make another one on the control plane: muster agents create NAME --label ..."
)


def _not_in_force(name: AgentName) -> str:
    return (
        f"the control plane does not accept this certificate of agent {name}: it was revoked or replaced; "
        f"run: muster agents create {name} ... on the control plane and join again"
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _revoked(unit: Unit, name: AgentName) -> bool:
    row = unit.fleet.get(name)
    if row is None:
        return False
    unit.fleet.put(replace(row, state=AgentState.REVOKED, serials=(), token_hash=None, token_expires=None))
    return True


def _renewed(unit: Unit, name: AgentName, used: str, fresh: str) -> bool | None:
    """None: ``used`` is not in force any more. Else whether every certificate but ``used`` was an older one."""
    row = unit.fleet.get(name)
    if row is None or row.state is AgentState.REVOKED or used not in row.serials:
        return None
    unit.fleet.put(replace(row, serials=(used, fresh)))
    return used == row.serials[-1]


def _grantable(labels: Mapping[str, str], max_concurrent: int | None) -> None:
    if len(labels) > MAX_LABELS:
        raise ValueError(f"an agent has at most {MAX_LABELS} labels")
    for key, value in labels.items():
        if key.casefold() in BUILT_IN:
            raise ValueError(f"the label {key} belongs to every agent and cannot be granted")
        if not 0 < len(key) <= MAX_LABEL_TEXT or len(value) > MAX_LABEL_TEXT:
            raise ValueError(f"a label's key has 1 to {MAX_LABEL_TEXT} characters, its value at most {MAX_LABEL_TEXT}")
        if not (key + value).isprintable():
            raise ValueError(f"the label {key!r} holds characters that cannot be printed")
    if max_concurrent is not None and max_concurrent < 1:
        raise ValueError("an agent runs at least one execution at once")
