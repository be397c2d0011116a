"""What the API server is to a person with a kubeconfig: objects applied, rights asked for, and a controller that makes
a pod of a deployment."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from tests.fakes.kubernetes.api import Api
from tests.fakes.kubernetes.objects import Object, Objects, Refusal

_DEPLOYMENTS, _PODS = "/apis/apps/v1/namespaces/{}/deployments", "/api/v1/namespaces/{}/pods"


class PeoplesApi(Api):
    """An API server. What ``becomes`` says of a pod is its status; ``denied`` are rights that nobody has."""

    def __init__(self) -> None:
        super().__init__(Objects(), lambda *_: None)
        self.denied: set[tuple[str, str]] = set()
        """(verb, resource)"""
        self.becomes: Callable[[], Object] = lambda: {"phase": "Running"}
        self.ready = True
        self.applied: list[str] = []
        """Kind/name, as they came."""

    def kubeconfig(self, folder: Path, context: str = "there") -> Path:
        """A file by which it is found."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
        }
        file = folder / "kubeconfig"
        file.write_text(json.dumps(content))
        return file

    def _done(self, request: web.Request, body: Object) -> Object:
        if request.path.endswith("/selfsubjectaccessreviews"):
            wanted = body["spec"]["resourceAttributes"]
            return {"status": {"allowed": (wanted["verb"], wanted["resource"]) not in self.denied}}
        if request.content_type != "application/apply-patch+yaml":
            done = super()._done(request, body)
            if request.method == "DELETE" and "/deployments/" in request.path:
                self._end_pods(request.path.split("/")[5])
            return done
        collection, _, name = request.path.rpartition("/")
        self.applied.append(f"{body['kind']}/{name}")
        return self._apply(collection, name, body)

    def _apply(self, collection: str, name: str, body: Object) -> Object:
        try:
            held = self.objects.get(f"{collection}/{name}")
        except Refusal:
            held = self.objects.create(collection, body)
            changed = True
        else:
            before = copy.deepcopy(held.get("spec"))
            self.objects.merge(collection, name, body)
            changed = held.get("spec") != before
        if body["kind"] == "Deployment" and changed:
            self._deploy(collection.split("/")[5], held)
        return held

    def _deploy(self, namespace: str, deployment: Object) -> None:
        """As the controllers would: the pod before goes, another comes."""
        self._end_pods(namespace)
        metadata, template = deployment["metadata"], deployment["spec"]["template"]
        metadata["generation"] = metadata.get("generation", 0) + 1
        name = f"{metadata['name']}-{metadata['generation']}"
        head = {"name": name, "labels": template["metadata"]["labels"]}
        self.objects.create(
            _PODS.format(namespace),
            {"kind": "Pod", "metadata": head, "spec": template["spec"], "status": self.becomes()},
        )
        done = {"availableReplicas": 1} if self.ready else {}
        status = {"observedGeneration": metadata["generation"], "replicas": 1, "updatedReplicas": 1, **done}
        self.objects.merge(_DEPLOYMENTS.format(namespace), metadata["name"], {"status": status})

    def _end_pods(self, namespace: str) -> None:
        pods = _PODS.format(namespace)
        for pod in self.objects.list(pods, "app.kubernetes.io/name=muster-agent"):
            self.objects.remove(pods, pod["metadata"]["name"])
