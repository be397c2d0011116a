"""Runs begin here: documents planned, executions expanded and stored. See the modules."""

from control_plane.services.submission.planning import Planning, Unrunnable
from control_plane.services.submission.submission import Submission

__all__ = ["Planning", "Submission", "Unrunnable"]
