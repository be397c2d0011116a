"""Executions that only orchestrate, conducted here. See control_plane.services.orchestration.orchestration."""

from control_plane.services.orchestration.orchestration import Orchestration

__all__ = ["Orchestration"]
