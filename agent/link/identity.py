"""Who this agent is: its key, its certificate, whom it trusts, and where its control plane is. One private file in
the state folder.

Called by agent.link.enrolment and .renewal (write), .control (read) and the assembly. The file is replaced as a
whole, so that a crash leaves the old identity or the new one, and never half of each.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from workflow.identifiers import AgentName, BadIdentifier, agent_name
from workflow.session import Refused

FILE: Final = "identity.json"
_PREFIX: Final = "spiffe://muster/agent/"


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything PEM. ``received``: seconds since 1970 by this machine's clock when the certificate came; ``life``:
    seconds that it is good from then on, as the control plane said, so that a wrong clock here does not matter."""

    server: str
    key: str = field(repr=False)
    chain: str
    roots: str
    received: float
    life: int

    @property
    def name(self) -> AgentName:
        """What the certificate says. Refused where it says no agent's name."""
        return _name(self._leaf())

    def due_in(self, now: float) -> float:
        """Seconds until it should be renewed: two thirds of its life. At once where the clock went back since it
        came."""
        return max(self.received + self.life * 2 / 3 - now, 0) if now >= self.received else 0

    def expired(self, now: float) -> datetime | None:
        """When the certificate ended, if it did: told by how long ago it came, since this machine's clock may be
        wrong."""
        return self._leaf().not_valid_after_utc if now >= self.received + self.life else None

    def _leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.chain.encode())


def load(state: Path) -> Identity | None:
    """The identity in this folder; None where the agent never joined. Refused where it cannot be read."""
    path = state / FILE
    try:
        identity = _checked(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise Refused(f"{path} cannot be read: {problem.strerror}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Refused(
            f"{path} is damaged; remove it, run: muster agents create ... on the control plane, and join again"
        ) from None
    return identity


def read(text: str) -> Identity:
    """The identity that ``written`` gave. Refused where it is none."""
    try:
        return _checked(json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Refused("the identity that was kept is damaged; invite the agent again") from None


def written(identity: Identity) -> str:
    """The identity as a text, to be kept as a secret."""
    return json.dumps(asdict(identity), indent=1)


def save(state: Path, identity: Identity) -> None:
    """Replace the identity in this folder, durably. OSError where the disk refuses; then the old one is still there."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=state, prefix=".identity-")  # 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(written(identity))
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(state / FILE)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    folder = os.open(state, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def new_key() -> tuple[str, bytes]:
    """A fresh P-256 key (PEM), and the request (DER) for a certificate of it. The key is never sent anywhere."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode(), request.public_bytes(Encoding.DER)


def made(*, server: str, key: str, chain: str, roots: str, received: float, life: int) -> Identity:
    """An identity of what the control plane answered. Refused where the parts do not belong together."""
    try:
        return _checked(
            {"server": server, "key": key, "chain": chain, "roots": roots, "received": received, "life": life}
        )
    except (ValueError, TypeError):
        raise Refused("the control plane's answer is no certificate for this agent's key") from None


def _checked(content: dict[str, object]) -> Identity:
    """ValueError, TypeError, KeyError, Refused."""
    server, key, chain, roots = (_text(content[name]) for name in ("server", "key", "chain", "roots"))
    received, life = content["received"], content["life"]
    if not isinstance(received, int | float) or not isinstance(life, int) or life < 1:
        raise ValueError("no times")
    leaf = x509.load_pem_x509_certificate(chain.encode())
    if load_pem_private_key(key.encode(), None).public_key() != leaf.public_key():
        raise ValueError("the key is another certificate's")
    if not x509.load_pem_x509_certificates(roots.encode()):
        raise ValueError("no roots")
    _name(leaf)
    return Identity(server, key, chain, roots, received, life)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _name(leaf: x509.Certificate) -> AgentName:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        return agent_name(next(uri.removeprefix(_PREFIX) for uri in uris if uri.startswith(_PREFIX)))
    except (x509.ExtensionNotFound, StopIteration, BadIdentifier):
        raise Refused("the certificate says no agent's name") from None
