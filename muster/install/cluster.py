"""Requests to a cluster as the person of a kubeconfig. What it refuses becomes a sentence that names the right.

Called by the rest of this package; the one module of ``muster`` that knows the Kubernetes client.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from muster.install.problems import BROKEN, INVALID, InstallProblem

Object = dict[str, Any]

MANAGER: Final = "muster"
"""As whom fields are applied."""
_PATIENCE: Final = 20.0
_MAX_EVENT: Final = 8 * 1024 * 1024
_TYPES: Final = {"PATCH": "application/apply-patch+yaml", "POST": "application/json", "DELETE": "application/json"}
_KINDS: Final = {
    "Namespace": ("/api/v1", "namespaces"),
    "Node": ("/api/v1", "nodes"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Secret": ("/api/v1", "secrets"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Pod": ("/api/v1", "pods"),
    "Event": ("/api/v1", "events"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "Service": ("/api/v1", "services"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
}


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that a person may or may not do."""

    verb: str
    kind: str
    namespace: str | None = None

    def __str__(self) -> str:
        group, plural = group_of(self.kind), _KINDS[self.kind][1]
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {plural}{f'.{group}' if group else ''}{where}"


def group_of(kind: str) -> str:
    """The API group."""
    base = _KINDS[kind][0]
    return "" if base == "/api/v1" else base.split("/")[2]


class Cluster:
    """One cluster. Every method raises InstallProblem, nothing else."""

    def __init__(self, client: ApiClient, name: str) -> None:
        self._client = client
        self.name = name

    @classmethod
    async def open(cls, kubeconfig: str | None, context: str | None) -> Self:
        """As kubectl would: the named files, else KUBECONFIG, else ~/.kube/config."""
        files = _files(kubeconfig)
        try:
            known, current = config.list_kube_config_contexts(files)  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError, ValueError, TypeError) as problem:
            raise InstallProblem(f"the kubeconfig {files} cannot be used: {_short(problem)}", code=INVALID) from None
        name = context or (current or {}).get("name", "")
        names = [each["name"] for each in known]
        if name not in names:
            raise InstallProblem(f"there is no context {name!r} in {files}; it has {', '.join(names)}", code=INVALID)
        configuration = Configuration()
        try:
            await config.load_kube_config(files, name, configuration, persist_config=False)  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError, ValueError) as problem:
            raise InstallProblem(f"context {name} cannot be used: {_short(problem)}", code=INVALID) from None
        return cls(ApiClient(configuration), name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    # --- objects --------------------------------------------------------------------------------------------

    async def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """None where there is none."""
        return await self._asked("GET", _path(kind, namespace, name), missing=True)

    async def all(self, kind: str, namespace: str | None = None, selector: str = "", fields: str = "") -> list[Object]:
        """Those with these labels and fields."""
        query = {"labelSelector": selector, "fieldSelector": fields}
        found = await self._asked("GET", _path(kind, namespace), {key: value for key, value in query.items() if value})
        return list((found or {}).get("items") or ())

    async def apply(self, body: Object) -> None:
        """Make it so. Fields that somebody else set otherwise are ours now; those that we never named stay."""
        metadata = body["metadata"]
        path = _path(body["kind"], metadata.get("namespace"), metadata["name"])
        await self._asked("PATCH", path, {"fieldManager": MANAGER, "force": "true"}, body)

    async def create(self, body: Object) -> None:
        """Make it new."""
        await self._asked("POST", _path(body["kind"], body["metadata"].get("namespace")), None, body)

    async def delete(self, kind: str, name: str, namespace: str | None = None) -> bool:
        """Whether there was one."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"}
        return await self._asked("DELETE", _path(kind, namespace, name), None, options, missing=True) is not None

    async def lacking(self, rights: Sequence[Right]) -> list[Right]:
        """Those that this person does not have."""
        answers = await asyncio.gather(*(self._may(right) for right in rights))
        return [right for right, granted in zip(rights, answers, strict=True) if not granted]

    async def _may(self, right: Right) -> bool:
        wanted = {"verb": right.verb, "group": group_of(right.kind), "resource": _KINDS[right.kind][1]}
        spec = {"resourceAttributes": {**wanted, **({"namespace": right.namespace} if right.namespace else {})}}
        path, version = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "authorization.k8s.io/v1"
        body = {"apiVersion": version, "kind": "SelfSubjectAccessReview", "spec": spec}
        answer = await self._asked("POST", path, None, body) or {}
        return bool((answer.get("status") or {}).get("allowed"))

    async def watch(self, kind: str, namespace: str, query: Mapping[str, str], seconds: int) -> AsyncIterator[Object]:
        """Changes, for that long at the most, or until the cluster hangs up."""
        asked = {**query, "watch": "true", "timeoutSeconds": str(seconds)}
        async with self._answered("GET", _path(kind, namespace), asked, None, seconds + _PATIENCE) as answer:
            rest = b""
            async for data in answer.content.iter_any():
                *lines, rest = (rest + data).split(b"\n")
                for line in filter(None, lines):
                    yield json.loads(line)
                if len(rest) > _MAX_EVENT:
                    return

    # --- requests -------------------------------------------------------------------------------------------

    async def _asked(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        *,
        missing: bool = False,
    ) -> Object | None:
        async with self._answered(verb, path, query, body, _PATIENCE, missing) as answer:
            if answer.status == 404:
                return None
            found: Object = json.loads(await answer.read())
            return found

    @asynccontextmanager
    async def _answered(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Object | None,
        patience: float,
        missing: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A good answer; with ``missing`` also a 404."""
        try:
            request = await self._client.param_serialize(
                method=verb,
                resource_path=path + (f"?{urlencode(query)}" if query else ""),
                header_params={"Accept": "application/json", **({"Content-Type": _TYPES[verb]} if body else {})},
                body=body,
                auth_settings=["BearerToken"],
            )
            timeout = aiohttp.ClientTimeout(total=patience, sock_connect=_PATIENCE)
            response = (await self._client.call_api(*request, _request_timeout=timeout)).response
            async with response:
                if response.status >= 300 and not (missing and response.status == 404):
                    raise self._refusal(response.status, await response.read())
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            where = self._client.configuration.host
            raise InstallProblem(f"the cluster {self.name} at {where} cannot be reached: {_short(problem)}") from None

    def _refusal(self, status: int, content: bytes) -> InstallProblem:
        try:
            words = str(json.loads(content).get("message", ""))[:2000]
        except (ValueError, AttributeError):
            words = content[:500].decode("utf-8", "replace")
        if status == 401:
            return InstallProblem(f"the cluster {self.name} does not know you: {words}", "log in anew", INVALID)
        if status == 403:
            return InstallProblem(f"the cluster {self.name} does not let you: {words}", code=INVALID)
        return InstallProblem(f"the cluster {self.name} refused it ({status}): {words}", code=BROKEN)


def _files(kubeconfig: str | None) -> str:
    files = str(kubeconfig or config.KUBE_CONFIG_DEFAULT_LOCATION)
    if not any(Path(file).exists() for file in files.split(os.pathsep)):
        raise InstallProblem(f"there is no kubeconfig {files}", code=INVALID)
    return files


def _path(kind: str, namespace: str | None, name: str = "") -> str:
    base, plural = _KINDS[kind]
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{base}{within}/{plural}" + (f"/{name}" if name else "")


def _short(problem: BaseException) -> str:
    if isinstance(problem, TimeoutError):
        return "it does not answer"
    return str(problem)[:500] or type(problem).__name__
