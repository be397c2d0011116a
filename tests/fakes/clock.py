"""The clock of the tests: stands still until it is moved."""

from control_plane.adapters.memory.clock import START, ManualClock

__all__ = ["START", "ManualClock"]
