"""Journals coming up: made durable, applied, acknowledged. See control_plane.services.progress.progress."""

from control_plane.services.progress.progress import OpenJournal, Progress

__all__ = ["OpenJournal", "Progress"]
