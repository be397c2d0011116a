"""Agents and their sessions. See control_plane.services.sessions.sessions."""

from control_plane.services.sessions.session import OpenSession
from control_plane.services.sessions.sessions import Sessions

__all__ = ["OpenSession", "Sessions"]
