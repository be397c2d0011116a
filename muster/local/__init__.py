"""The embedded system: a control plane and some agents as processes on this machine, with the defaults that need
nothing else.

They are the programs that a fleet uses, started and stopped together. Called by ``muster up`` and by the whole-system
tests. Knows the programs by their command lines and ready lines only, never their insides.
"""

from muster.local.state import Endpoint, LocalState, NotRunning
from muster.local.system import LocalSystem, StartFailed

__all__ = ["Endpoint", "LocalState", "LocalSystem", "NotRunning", "StartFailed"]
