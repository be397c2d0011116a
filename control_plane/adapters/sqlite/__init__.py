"""The store on SQLite: tables, migrations, units of work, group commit. ``SqliteStore.open`` is the way in."""

from control_plane.adapters.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
