"""Journals in segment files with group commit, sealed into an object store. ``SegmentJournals.open`` is the way in.

log (the port) > writer, archiver, recovery > archive, index > segment, scan, pieces > frames.
"""

from control_plane.adapters.segments.log import SegmentJournals

__all__ = ["SegmentJournals"]
