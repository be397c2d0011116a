"""How large a file of documents may be. The one place for these numbers; the messages quote them."""

from __future__ import annotations

from typing import Final

MAX_BYTES: Final = 1024 * 1024
"""Bytes of UTF-8 in one file."""

MAX_NODES: Final = 25_000
"""Keys and values in one file, before aliases are followed. A 1,000-step workflow has about 20,000."""

MAX_ALIASED_NODES: Final = 60_000
"""Keys and values in one file after every alias was replaced by what it stands for."""

MAX_DEPTH: Final = 100
"""Lists and mappings inside each other; two for each level of nested steps."""

MAX_DOCUMENTS: Final = 500
"""Documents in one file, items of lists included."""

MAX_SYNTAX_PROBLEMS: Final = 50
"""Problems of form that one file reports at most."""
