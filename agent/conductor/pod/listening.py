"""The conductor's port in a pod: TCP with TLS, for the one agent that holds the other key of this attempt.

Called by the pod's main. Both keys were signed by a key that was thrown away, so there is nobody else whom either side
would believe.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from agent.conductor.pod.terms import CA, CERTIFICATE

CONDUCTOR_NAME = "conductor"
AGENT_NAME = "agent"
"""What the two certificates say."""


def server_context(folder: Path) -> ssl.SSLContext:
    """TLS 1.3 with the key laid down in ``folder``; a peer without its own is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=str(folder / CA))
    context.load_cert_chain(str(folder / CERTIFICATE))
    context.num_tickets = 0
    return context
