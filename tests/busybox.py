"""The busybox of this machine, for tests whose gates and steps are its scripts. Called by tests alone."""

from __future__ import annotations

import shutil

BUSYBOX = shutil.which("busybox") or ""
"""Its path; empty where there is none."""
NO_BUSYBOX = "the gates of pods are scripts of busybox's shell: install busybox (`apt-get install busybox-static`)"
"""Why a test is skipped then."""
