"""Where the bytes of a pod come from, held against the policy: volumes, secrets, config maps, claims, images of
volumes. Called by ``guard``; pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.executors.kubernetes.manifest import Manifests
from agent.executors.kubernetes.naming import PREFIX
from agent.executors.kubernetes.policy import Policy, fits
from workflow.plan.nodes import Json, Plan, Run, leaves
from workflow.pods.resources import BadQuantity, quantity

_PROJECTED = frozenset({"configMap", "downwardAPI", "clusterTrustBundle"})
"""What may be projected: neither secrets nor tokens nor certificates, for whatever audience."""


def refusals(made: Manifests, plan: Plan, policy: Policy) -> Iterator[str]:
    """A phrase with the rule's name for each source that is not allowed here."""
    spec: Mapping[str, Any] = made.pod["spec"]  # type: ignore[assignment]
    own = str(made.pod["metadata"]["name"])  # type: ignore[index,call-overload]
    claims = {str(claim["metadata"]["name"]) for claim in made.claims}  # type: ignore[index,call-overload]
    written = plan.pod.get("volumes")
    for volume in written if isinstance(written, list) else ():
        if isinstance(volume, dict):
            yield from _of_volume(volume, policy)
    for volume in spec["volumes"]:
        yield from _of_names(volume, policy, own, claims)
    pulling = plan.pod.get("imagePullSecrets")
    for each in pulling if isinstance(pulling, list) else ():
        yield from _secret(str(each.get("name")) if isinstance(each, dict) else "", policy)
    for step in leaves(plan.steps):
        if isinstance(step.body, Run):
            yield from _of_mounts(step.body, step.ref)
    for claim in made.claims:
        yield from _of_claim(claim.get("spec"), policy)


def more_than_most(name: str, value: Json, policy: Policy) -> Iterator[str]:
    """Whether an amount is more than is allowed."""
    most = (policy.most or {}).get(name)
    try:
        if most is not None and quantity(value) > quantity(most):
            yield f"most: {name} {value} is more than {most}"
    except BadQuantity as problem:
        yield f"most: {problem}"


def _of_volume(volume: Mapping[str, Json], policy: Policy) -> Iterator[str]:
    """A volume that the workflow wrote."""
    if str(volume.get("name")).startswith(PREFIX):
        yield f"volumes: names that begin with {PREFIX} are not a workflow's"
    for kind, source in volume.items():
        if kind == "name":
            continue
        said: Mapping[str, Any] = source if isinstance(source, dict) else {}
        if kind == "hostPath":
            if not fits(str(said.get("path")), policy.host_paths):
                yield f"host_paths: {said.get('path')}"
        elif kind not in policy.volumes:
            yield f"volumes: {kind}"
        elif kind == "projected":
            if any(set(each) - _PROJECTED for each in said.get("sources") or () if isinstance(each, dict)):
                yield "volumes: projected secrets and tokens"
        elif kind == "image" and not fits(str(said.get("reference")), policy.images):
            yield f"images: {said.get('reference')}"
        elif kind == "ephemeral":
            yield from _of_claim((said.get("volumeClaimTemplate") or {}).get("spec"), policy)


def _of_names(volume: Mapping[str, Any], policy: Policy, own: str, claims: set[str]) -> Iterator[str]:
    """The objects that a volume names, the workflow's volumes and ours for its values alike."""
    secret = (volume.get("secret") or {}).get("secretName")
    if secret is not None and secret != own:
        yield from _secret(str(secret), policy)
    published = ((volume.get("csi") or {}).get("nodePublishSecretRef") or {}).get("name")
    if published is not None:
        yield from _secret(str(published), policy)
    projected = (volume.get("projected") or {}).get("sources") or ()
    for source in (volume, *(each for each in projected if isinstance(each, dict))):
        name = str((source.get("configMap") or {}).get("name", ""))
        if name.startswith(PREFIX):
            yield f"config_maps: {name}"
    claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
    if claim is not None and claim not in claims and (claim.startswith(PREFIX) or not fits(claim, policy.claims)):
        yield f"claims: {claim}"


def _secret(name: str, policy: Policy) -> Iterator[str]:
    if name.startswith(PREFIX) or not fits(name, policy.secrets):
        yield f"secrets: {name}"


def _of_mounts(run: Run, ref: str) -> Iterator[str]:
    """A step sees of our own volumes what we give it: never the conductor's keys, nor other steps' secrets."""
    for mount in run.container.volume_mounts:
        if str(mount.get("name")).startswith(PREFIX):
            yield f"volumes: step {ref} mounts {mount['name']}"


def _of_claim(spec: Json | Mapping[str, Any], policy: Policy) -> Iterator[str]:
    asked = spec.get("resources") if isinstance(spec, Mapping) else None
    requests = asked.get("requests") if isinstance(asked, Mapping) else None
    if isinstance(requests, Mapping) and "storage" in requests:
        yield from more_than_most("storage", requests["storage"], policy)
