"""Objects as texts that a person reads and ``kubectl apply`` takes. Pure; called by ``--dry-run``, and by who renews
``deploy/kubernetes``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from muster.install.manifests import Object


class _Plain(yaml.SafeDumper):
    """Several lines as several lines; never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Plain, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)


PLACEHOLDER = "<the join string that `muster agents create NAME` prints>"


def redacted(objects: Sequence[Object]) -> list[Object]:
    """The same without what is secret."""
    return [_redacted(each) if each["kind"] == "Secret" else each for each in objects]


def _redacted(secret: Object) -> Object:
    rest = {key: value for key, value in secret.items() if key != "data"}
    return {**rest, "stringData": dict.fromkeys(secret["data"], PLACEHOLDER)}


def as_yaml(objects: Sequence[Object]) -> str:
    """A document each."""
    return yaml.dump_all(objects, Dumper=_Plain, sort_keys=False, width=110)


def as_json(objects: Sequence[Object]) -> str:
    """One list."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}, indent=2) + "\n"
