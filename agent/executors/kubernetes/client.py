"""The official client, as far as it is used here: its configuration and its REST layer, without its generated models.

Called by ``opening``, which makes one, and by ``calls``. Loading the whole of it would cost a third of the agent's
memory (the synchronous client, OAuth, models and what checks them), so its packages are entered without running what
they begin with, until somebody asks for something of that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.client.rest import RESTClientObject

_DEFERRED = ("kubernetes", "kubernetes.aio", "kubernetes.aio.config", "kubernetes.aio.utils")
_AGENT = "muster-agent"


class NoAccess(Exception):
    """The cluster cannot be reached with what there is. The sentence says why."""


class Client(Protocol):
    """What calls need of it; the official ``ApiClient`` will do as well."""

    configuration: Configuration
    rest_client: RESTClientObject

    async def close(self) -> None:
        """Hang up."""
        ...


class LeanClient:
    """One API server."""

    def __init__(self, configuration: Configuration) -> None:
        """To be made inside the running loop."""
        from kubernetes.aio.client.rest import RESTClientObject

        self.configuration = configuration
        self.rest_client = RESTClientObject(configuration)

    async def close(self) -> None:
        await self.rest_client.close()


async def inside() -> LeanClient:
    """For a program that is a pod of the cluster itself. Raises NoAccess."""
    _defer(_DEFERRED)
    from kubernetes.aio.client.configuration import Configuration
    from kubernetes.aio.config.config_exception import ConfigException
    from kubernetes.aio.config.incluster_config import load_incluster_config

    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as problem:
        raise NoAccess(f"the cluster cannot be reached: {problem}") from None
    return LeanClient(configuration)


async def outside(kubeconfig: str, context: str | None) -> LeanClient:
    """With a file, as people have it. Raises NoAccess."""
    _defer(_DEFERRED)
    import kubernetes.aio.client as whole
    from kubernetes.aio.client.configuration import Configuration
    from kubernetes.aio.config.config_exception import ConfigException

    known = vars(whole)
    ours = known.setdefault("ApiClient", object)  # kube_config names it, for functions that are not called here
    try:
        from kubernetes.aio.config.kube_config import load_kube_config
    finally:
        if ours is object:
            del known["ApiClient"]
    configuration = Configuration()
    try:
        await load_kube_config(kubeconfig, context, client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as problem:
        raise NoAccess(f"the cluster cannot be reached: {problem}") from None
    return LeanClient(configuration)


async def send(
    client: Client, verb: str, path: str, said: Mapping[str, str], body: object, timeout: aiohttp.ClientTimeout
) -> aiohttp.ClientResponse:
    """One request with the client's credentials; ``said`` are headers. The caller reads and releases the answer."""
    headers = {**said, "User-Agent": _AGENT, **await credentials(client)}
    url = f"{client.configuration.host}{path}"
    answer = await client.rest_client.request(verb, url, headers=headers, body=body, _request_timeout=timeout)  # type: ignore[no-untyped-call]
    response: aiohttp.ClientResponse = answer.response
    return response


async def credentials(client: Client) -> Mapping[str, str]:
    """The header that says who asks; renewed by the official configuration where that is needed."""
    setting: Any = (await client.configuration.auth_settings()).get("BearerToken")
    return {setting["key"]: setting["value"]} if setting else {}


def session(client: Client) -> aiohttp.ClientSession:
    """Its connections, for what is no plain request."""
    rest = client.rest_client
    if rest.pool_manager is None:
        rest.pool_manager = rest._create_pool_manager()
    return rest.pool_manager


def _defer(packages: Iterable[str]) -> None:
    """Enter packages (outermost first) without running them. What is not found in one runs it after all."""
    for name in packages:
        if name in sys.modules:
            continue
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            raise NoAccess(f"the library {name.partition('.')[0]} is not installed")
        module = module_from_spec(spec)
        sys.modules[name] = module
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], last, module)

        def run(attribute: str, module: Any = module, loader: Any = spec.loader) -> object:
            if attribute.startswith("__"):  # asked by the import system itself
                raise AttributeError(attribute)
            del module.__getattr__
            loader.exec_module(module)
            return getattr(module, attribute)

        module.__getattr__ = run  # type: ignore[method-assign]
