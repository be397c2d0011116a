"""Volumes of a pod and where they are mounted.

/data, /testkube and /tmp are shared by all containers; /.tktw holds gates, jobs and busybox, which steps can read only,
and is memory; what the conductor keeps for itself no step can see. Volumes of the workflow are mounted where it says,
and in the conductor's container too, so that artifacts and files below them are found. A directory outside of these
into which content goes (a clone, an archive) is one more shared volume.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import join, normpath

from workflow.plan.nodes import Clone, FetchTarball, File, Json, Plan, WriteFiles, leaves
from workflow.pods.sharing import Spec

SHARED: Mapping[str, str] = {"/data": "muster-data", "/testkube": "muster-testkube", "/tmp": "muster-tmp"}  # noqa: S108
"""Path -> volume of what every container has."""
WORK = "/.tktw"
OWN = "/muster"
TERMS = "/muster-terms"
_WORK_VOLUME = "muster-work"
_MEMORY: Mapping[str, Json] = {"medium": "Memory", "sizeLimit": "64Mi"}  # jobs hold values of secrets: never on a disk
_OWN_VOLUME = "muster-own"
_TERMS_VOLUME = "muster-terms"
_CONTENT_VOLUME = "muster-content"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the workflow that must appear outside the shared directories: laid down by the kubelet."""

    path: str
    file: File
    key: str


@dataclass(frozen=True, slots=True)
class Mounts:
    """Volumes, and what of them each container sees."""

    volumes: tuple[dict[str, Json], ...]
    conductor: tuple[dict[str, Json], ...]
    shared: tuple[str, ...]
    """Paths that conductor and steps see alike."""
    content: tuple[dict[str, Json], ...]
    """Mounts that every step container has beside its own."""

    def of_step(self, spec: Spec) -> list[Json]:
        """A step container's mounts: its own come first, and win."""
        own = [written(mount) for mount in spec.mounts]
        taken = {mount["mountPath"] for mount in own}
        return [*own, *(mount for mount in self.content if mount["mountPath"] not in taken)]


def mounts(plan: Plan, specs: Iterable[Spec], terms_keys: Sequence[str], secret: str) -> Mounts:
    """For the pod that the secret of this name belongs to."""
    own = list(_distinct(written(mount) for spec in specs for mount in spec.mounts))
    known = {str(mount["mountPath"]) for mount in own}
    directories = [path for path in content_directories(plan) if not _below(path, (*SHARED, WORK, *known))]
    shared: list[dict[str, Json]] = [{"name": name, "mountPath": path} for path, name in SHARED.items()]
    content: list[dict[str, Json]] = [
        {"name": _CONTENT_VOLUME, "mountPath": path, "subPath": path.strip("/").replace("/", "-")}
        for path in directories
    ]
    files: list[dict[str, Json]] = [
        {"name": _files_volume(each), "mountPath": each.path, "subPath": each.key, "readOnly": True}
        for each in static_files(plan, (*known, *directories))
    ]
    everywhere = [mount for mount in (*shared, *content) if mount["mountPath"] not in known]
    volumes = [*_volumes(plan, bool(directories), terms_keys, secret)]
    volumes += _file_volumes(static_files(plan, (*known, *directories)), secret)
    return Mounts(
        volumes=tuple(volumes),
        conductor=(
            *everywhere,
            {"name": _WORK_VOLUME, "mountPath": WORK},
            {"name": _OWN_VOLUME, "mountPath": OWN},
            {"name": _TERMS_VOLUME, "mountPath": TERMS, "readOnly": True},
            *own,
        ),
        shared=(*(str(mount["mountPath"]) for mount in (*everywhere, *own)), WORK),
        content=(*everywhere, {"name": _WORK_VOLUME, "mountPath": WORK, "readOnly": True}, *files),
    )


def written(mount: Mapping[str, Json]) -> dict[str, Json]:
    """A mount of the workflow; a relative path is below /data."""
    return {**mount, "mountPath": normpath(join("/data", str(mount.get("mountPath", ""))))}


def undefined(plan: Plan, spec: Spec) -> str:
    """Why no container can be made of ``spec``: it mounts a volume that the pod does not have. Empty where it can."""
    found = plan.pod.get("volumes")
    volumes = found if isinstance(found, list) else []
    names = {volume.get("name") for volume in volumes if isinstance(volume, dict)}
    for mount in map(written, spec.mounts):
        if mount.get("name") not in names:
            return f"it mounts volume {mount.get('name')!r} at {mount['mountPath']}, which pod.volumes does not define"
    return ""


def content_directories(plan: Plan) -> list[str]:
    """Directories into which something is cloned or unpacked, outermost first, each once."""
    found: set[str] = set()
    for step in leaves(plan.steps):
        match step.body:
            case Clone(mount_path=path) | FetchTarball(path=path):
                found.add(normpath(join("/data", path)))
    return [path for path in sorted(found) if not _below(path, found - {path})]


def static_files(plan: Plan, known: Sequence[str]) -> list[StaticFile]:
    """Files of the workflow that lie outside of everything shared."""
    found: dict[str, StaticFile] = {}
    for step in leaves(plan.steps):
        if isinstance(step.body, WriteFiles):
            for file in step.body.files:
                path = normpath(join("/data", file.path))
                if not _below(path, (*SHARED, WORK, *known)):
                    found[path] = StaticFile(path, file, f"file-{len(found)}")
    return list(found.values())


def _volumes(plan: Plan, content: bool, terms_keys: Sequence[str], secret: str) -> Iterator[dict[str, Json]]:
    names = [*SHARED.values(), _WORK_VOLUME, _OWN_VOLUME, *([_CONTENT_VOLUME] if content else [])]
    for name in names:
        yield {"name": name, "emptyDir": dict(_MEMORY) if name == _WORK_VOLUME else {}}
    items: list[Json] = [{"key": key, "path": key} for key in terms_keys]
    yield {"name": _TERMS_VOLUME, "secret": {"secretName": secret, "items": items, "defaultMode": 0o440}}
    written_volumes = plan.pod.get("volumes")
    if isinstance(written_volumes, list):
        yield from (dict(volume) for volume in written_volumes if isinstance(volume, dict))


def _file_volumes(files: Sequence[StaticFile], secret: str) -> Iterator[dict[str, Json]]:
    """Texts lie in the attempt's secret; sources in the cluster are mounted from where they are."""
    for each in files:
        mode: dict[str, Json] = {} if each.file.mode is None else {"mode": each.file.mode}
        match dict(each.file.content_from or {}):
            case {"secretKeyRef": {"name": str(name), "key": str(key)}}:
                source: dict[str, Json] = {"secret": {"secretName": name, "items": _items(key, each.key, mode)}}
            case {"configMapKeyRef": {"name": str(name), "key": str(key)}}:
                source = {"configMap": {"name": name, "items": _items(key, each.key, mode)}}
            case _:
                source = {"secret": {"secretName": secret, "items": _items(each.key, each.key, mode)}}
        yield {"name": _files_volume(each), **source}


def _items(key: str, path: str, mode: Mapping[str, Json]) -> list[Json]:
    return [{"key": key, "path": path, **mode}]


def _files_volume(file: StaticFile) -> str:
    return f"muster-{file.key}"


def _below(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)


def _distinct(found: Iterable[dict[str, Json]]) -> Iterator[dict[str, Json]]:
    """The first mount of each path; below our own directories the conductor needs none."""
    seen: set[Json] = set()
    for mount in found:
        if mount["mountPath"] not in seen:
            seen.add(mount["mountPath"])
            yield mount
