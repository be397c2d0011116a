"""What every storage adapter may say when it is opened.

Raised by the adapters' ``open``; the assembly shows the sentence and ends.
"""

from __future__ import annotations


class Unusable(Exception):
    """What lies there cannot be served by this program: made by a newer one, damaged, held by another process, not
    ours.

    A person must act; the sentence says what was found, where, and what to do. Trying again does not help.
    """
