"""The certificate authority, with keys in files of this machine. The production adapter of the Authority port.

``requests`` judges what others ask for, ``certificates`` words what is signed, ``roots`` keeps root keys on disk,
``authority`` joins them. certs/README.md says who trusts whom.
"""

from control_plane.adapters.x509.authority import Lives, X509Authority
from control_plane.adapters.x509.roots import RootsUnusable

__all__ = ["Lives", "RootsUnusable", "X509Authority"]
