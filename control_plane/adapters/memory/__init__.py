"""Twins of the storage ports and of the clock, in memory: for tests, and for trying things out.

They pass the contract suites of the real adapters. Nothing here survives the process. The twin of Signals is the real
one, control_plane.adapters.signals.
"""

from control_plane.adapters.memory.blobs import MemoryBlobs
from control_plane.adapters.memory.clock import ManualClock
from control_plane.adapters.memory.journals import MemoryJournals
from control_plane.adapters.memory.store import MemoryStore
from control_plane.adapters.memory.vault import MemoryVault

__all__ = ["ManualClock", "MemoryBlobs", "MemoryJournals", "MemoryStore", "MemoryVault"]
