"""The Authority port over root keys on disk. Called by the assembly, which hands it to the enrolment service and the
listeners.

A roll of the root needs no interruption: ``roll`` adds a root, which is trusted and handed out at once, but signs
only after every agent must have renewed (and so learnt of it). The old root is trusted until it ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from control_plane.adapters.x509 import certificates, requests, roots
from control_plane.adapters.x509.certificates import Root
from control_plane.ports.authority import Issued
from control_plane.ports.clock import Clock
from workflow.identifiers import SECOND, AgentName

HOUR: Final = 60 * 60
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Lives:
    """How long certificates live, in seconds."""

    agent: int = DAY
    server: int = 90 * DAY
    root: int = 10 * 365 * DAY


@dataclass(frozen=True, slots=True)
class _Server:
    """The server's certificate in use, and when to replace it."""

    key: bytes
    chain: bytes
    signer: Root
    renew_at: int


class X509Authority:
    """Signs with the keys in ``folder``, which it makes at first start. ``names``: host names and addresses of the
    control plane.

    Any thread may call. RootsUnusable where the folder cannot be used.
    """

    def __init__(self, folder: Path, names: Sequence[str], clock: Clock, lives: Lives = Lives()) -> None:
        self._folder = folder
        self._names = tuple(names)
        self._clock = clock
        self._lives = lives
        self._lock = Lock()
        self._server: _Server | None = None
        self._roots = roots.load(folder)
        if not self._roots or self._roots[-1].not_after - self._now() < lives.root // 10:
            self.roll()

    def roots_pem(self) -> bytes:
        """The roots to trust, PEM, newest first."""
        return b"".join(root.certificate.public_bytes(Encoding.PEM) for root in self._trusted())

    def pin(self) -> str:
        """``sha256:<hex>`` of ``roots_pem``."""
        return f"sha256:{hashlib.sha256(self.roots_pem()).hexdigest()}"

    def issue_agent(self, name: AgentName, csr_der: bytes) -> Issued:
        """A client certificate for the request's key. BadRequest."""
        key = requests.public_key(csr_der)
        certificate = certificates.agent_certificate(self._signer(), name, key, self._now(), self._lives.agent)
        return Issued(
            chain=(certificate.public_bytes(Encoding.DER),),
            serial=f"{certificate.serial_number:x}",
            not_after=int(certificate.not_valid_after_utc.timestamp()),
        )

    def server_pem(self) -> tuple[bytes, bytes]:
        """(key, chain); the same ones until two thirds of their life, or until another root signs."""
        with self._lock:
            server, signer = self._server, self._signer()
            if server is None or server.signer is not signer or self._now() >= server.renew_at:
                server = self._server = self._new_server(signer)
        return server.key, server.chain

    def roll(self) -> None:
        """Add a root, also by itself before the last one ends. It signs once every agent must have renewed."""
        with self._lock:
            number = len(self._roots) + 1
            roots.add(self._folder, certificates.new_root(self._now(), self._lives.root), number)
            self._roots = roots.load(self._folder)

    def _trusted(self) -> list[Root]:
        now = self._now()
        return [root for root in reversed(self._roots) if root.not_after > now] or self._roots[-1:]

    def _signer(self) -> Root:
        """The newest root that every agent knows of; the oldest in force where there is none such."""
        known = self._now() - self._lives.agent
        trusted = self._trusted()
        return next((root for root in trusted if root.made <= known), trusted[-1])

    def _new_server(self, signer: Root) -> _Server:
        key, now = certificates.new_key(), self._now()
        certificate = certificates.server_certificate(signer, self._names, key.public_key(), now, self._lives.server)
        end = int(certificate.not_valid_after_utc.timestamp())
        return _Server(
            key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            chain=certificate.public_bytes(Encoding.PEM),
            signer=signer,
            renew_at=now + (end - now) * 2 // 3,
        )

    def _now(self) -> int:
        return self._clock.now() // SECOND
