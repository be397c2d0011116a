"""``deploy/`` as the tools of clusters render it: kubectl and helm, where they are on this machine.

What helm renders is kept in golden/, with a mark of the chart that it was rendered from: without helm, a chart that
was changed and not rendered again is noticed. MUSTER_GOLDEN=write renews it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
GOLDEN = Path(__file__).parent / "golden"
Object = dict[str, Any]
By = Mapping[tuple[str, str], Object]


def kustomized(folder: str) -> By:
    """A base as ``kubectl kustomize`` renders it; without kubectl, what its resources say."""
    base = DEPLOY / "kubernetes" / folder
    if shutil.which("kubectl"):
        return by_name(yaml.safe_load_all(_said("", "kubectl", "kustomize", str(base))))
    resources = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]
    return by_name(each for name in resources for each in yaml.safe_load_all((base / name).read_text()))


def charted(chart: str, release: str, name: str, values: Mapping[str, Any]) -> By:
    """A chart as ``helm template`` renders it, in namespace muster; as it rendered it last where there is no helm."""
    golden, mark = GOLDEN / f"{name}.yaml", f"# rendered by helm from a chart with the mark {_mark(chart)}\n"
    if shutil.which("helm"):
        text = mark + _said(yaml.safe_dump(dict(values)), "helm", *_template(chart, release))
        if os.environ.get("MUSTER_GOLDEN") == "write":
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(text)
    kept = golden.read_text()
    assert kept.startswith(mark), f"the chart {chart} was changed: render {golden.name} again with MUSTER_GOLDEN=write"
    rendered = by_name(yaml.safe_load_all(kept))
    if shutil.which("helm"):
        assert by_name(yaml.safe_load_all(text)) == rendered
    return rendered


def refused(chart: str, values: Mapping[str, Any]) -> str:
    """What helm says against these values."""
    if not shutil.which("helm"):
        pytest.skip("what a chart refuses is said by helm alone, and helm is not installed")
    done = _run(yaml.safe_dump(dict(values)), "helm", *_template(chart, "x"))
    assert done.returncode != 0, done.stdout[:500]
    return done.stderr


def by_name(objects: Iterable[Object | None]) -> By:
    """By kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in objects if each}


def _template(chart: str, release: str) -> tuple[str, ...]:
    where = ("template", release, str(DEPLOY / "helm" / chart), "--namespace", "muster")
    return (*where, "--kube-version", "1.36.0", "-f", "-")


def _mark(chart: str) -> str:
    found = hashlib.sha256()
    folder = DEPLOY / "helm" / chart
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        found.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def _said(given: str, *words: str) -> str:
    done = _run(given, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run(given: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, input=given, capture_output=True, text=True, timeout=60)
