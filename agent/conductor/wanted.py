"""Which Secrets and ConfigMaps a plan names. Called by executors, which resolve them, and by the host, which waits
for them. Secrets that are only mounted count too: a step may print what it reads, and that is masked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from workflow.plan.nodes import Json

_QUOTE = r"""\\*["']"""  # a call may stand in a text within a text, where its quotes are escaped
_NAME = rf"""{_QUOTE}([^"'\\]+){_QUOTE}"""
_CALL = re.compile(rf"\bsecret\(\s*{_NAME}\s*,\s*{_NAME}\s*\)")
_KEYED = {"secretKeyRef": "secret", "configMapKeyRef": "config"}
_WHOLE = {"secretRef": "secret", "configMapRef": "config"}


def wanted(plan: bytes) -> frozenset[str]:
    """``secret/<name>/<key>``, ``config/<name>/<key>``; of a whole one, ``secret/<name>/``. ``plan`` is the encoded
    plan."""
    return frozenset(_in(json.loads(plan)))


def _in(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield from (f"secret/{found[1]}/{found[2]}" for found in _CALL.finditer(value))
    elif isinstance(value, list):
        for item in value:
            yield from _in(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "secret" and isinstance(item, dict):
                yield from _mounted(item)
            if isinstance(item, dict) and isinstance(item.get("name"), str):
                if key in _KEYED and isinstance(item.get("key"), str):
                    yield f"{_KEYED[key]}/{item['name']}/{item['key']}"
                elif key in _WHOLE:
                    yield f"{_WHOLE[key]}/{item['name']}/"
            yield from _in(item)


def _mounted(source: dict[str, Json]) -> Iterator[str]:
    """Of a volume: ``secretName`` of a Secret's own, ``name`` of a projected one; all keys, or those in ``items``."""
    name, items = source.get("secretName") or source.get("name"), source.get("items")
    if not isinstance(name, str):
        return
    keys = [item.get("key") for item in items if isinstance(item, dict)] if isinstance(items, list) else [""]
    yield from (f"secret/{name}/{key}" for key in keys if isinstance(key, str))
