"""What a certificate request must be. Called by control_plane.adapters.x509.authority.

Only the public key of a request counts; whatever names, extensions or attributes it carries are never looked at.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from control_plane.ports.authority import BadRequest

MAX_REQUEST = 16 * 1024
"""Bytes of a request at the most."""
MIN_RSA, MAX_RSA = 2048, 4096
"""Bits of an RSA key: fewer are weak, more only cost us time."""

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_CURVES = (ec.SECP256R1, ec.SECP384R1)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def public_key(csr_der: bytes) -> PublicKey:
    """The key that a PKCS #10 request (DER) asks a certificate for, and shows to hold. BadRequest."""
    if len(csr_der) > MAX_REQUEST:
        raise BadRequest(f"a certificate request has at most {MAX_REQUEST} bytes; this one has {len(csr_der)}")
    try:
        request = x509.load_der_x509_csr(csr_der)
        key = _strong(request.public_key())
        if not isinstance(request.signature_hash_algorithm, _HASHES):
            raise BadRequest("the request must be signed with SHA-256, SHA-384 or SHA-512")
        if not request.is_signature_valid:
            raise BadRequest("the request's signature does not fit its key")
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadRequest("this is no certificate request (PKCS #10, DER) with a key that we know") from None
    return key


def _strong(key: object) -> PublicKey:
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return key
    if isinstance(key, rsa.RSAPublicKey):
        if MIN_RSA <= key.key_size <= MAX_RSA:
            return key
        raise BadRequest(f"an RSA key must have {MIN_RSA} to {MAX_RSA} bits; this one has {key.key_size}")
    raise BadRequest("the key must be an elliptic curve key (P-256 or P-384) or an RSA key")
