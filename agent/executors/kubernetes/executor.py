"""The executor port for pods of a cluster.

Made by agent.assembly, which also runs ``run`` for as long as the agent lives. It must not know the control plane.
Every method may be repeated; see agent.ports.executor. What exists is always asked of the cluster: nothing here
survives the agent, and nothing needs to.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from agent.conductor.frames import encode_to
from agent.conductor.pod.terms import CA, CERTIFICATE
from agent.executors.kubernetes import naming, symptoms
from agent.executors.kubernetes.beside import beside
from agent.executors.kubernetes.calls import ApiDown, ApiRefused, Calls, Object
from agent.executors.kubernetes.events import Notes
from agent.executors.kubernetes.guard import held, refusals
from agent.executors.kubernetes.keys import Pair, client_context, fresh_pair
from agent.executors.kubernetes.manifest import AGENT_KEY, CannotMake, Manifests, Order, manifests, runs_without_command
from agent.executors.kubernetes.policy import Policy
from agent.executors.kubernetes.reaching import PodConversation, dialled
from agent.executors.kubernetes.settings import Settings
from agent.executors.kubernetes.sight import Sight
from agent.executors.kubernetes.symptoms import Casualty, Coming, Gone, Up
from agent.ports.conductor import CONDUCTOR, ContainerGone
from agent.ports.executor import CannotLaunch, ConductorGone, Conversation, Ear, Found
from workflow.identifiers import Attempt
from workflow.journal import Record
from workflow.plan.encode import BadPlan, from_bytes
from workflow.session import Assign

log = logging.getLogger("muster.kubernetes")

_DIAL = 0.02, 2.0
"""Seconds between two tries to reach a conductor whose container runs: at first, at the most."""
_LATE = 3.0
"""Seconds after which one asks what a pod is waiting for."""
_AGAIN = 1.0, 60.0
"""Seconds between two tries of what must be done some time: at first, at the most."""
_KINDS = ("secrets", "persistentvolumeclaims")
_FINAL = frozenset({400, 404, 405, 413, 422})


@dataclass(frozen=True, slots=True)
class _Where:
    """A pod that a conductor runs in."""

    namespace: str
    name: str


class KubernetesExecutor:
    """Conductors as pods."""

    def __init__(
        self, calls: Calls, settings: Settings, policy: Policy, clock: Callable[[], float] | None = None
    ) -> None:
        self._calls = calls
        self._settings = settings
        self._policy = policy
        self._sight = Sight(calls, settings, clock or calls.now)
        self._pods = self._sight.pods
        self._notes = Notes(calls, settings, self._pods)
        self._pairs: dict[Attempt, Pair] = {}
        self._owed: asyncio.Queue[Attempt] = asyncio.Queue()
        self._watching: asyncio.Task[None] | None = None

    @property
    def kind(self) -> str:
        return "kubernetes"

    async def run(self) -> None:
        """Watch the agent's pods and remove what could not be removed at once, for ever."""
        async with asyncio.TaskGroup() as tasks:
            self._watching = tasks.create_task(self._sight.run())
            while True:
                await self.remove(await self._owed.get())

    # --- the port -------------------------------------------------------------------------------------------

    async def launch(self, assign: Assign) -> None:
        attempt = assign.bundle.attempt
        if attempt in self._pods.now:
            return
        made = self._made(assign)
        try:
            await self._create(attempt, made)
        except ApiRefused as refused:
            await self._undo(attempt, made)
            words = f"the cluster refused it: {refused.words or refused.reason}"
            raise CannotLaunch(words, final=refused.status in _FINAL or _admission(refused)) from None
        except ApiDown as down:
            await self._undo(attempt, made)
            raise CannotLaunch(str(down), final=False) from None

    @asynccontextmanager
    async def connect(self, attempt: Attempt, acknowledged: int) -> AsyncIterator[Conversation]:
        async with AsyncExitStack() as stack:
            conversation = await self._dialled(attempt, stack)
            await conversation.attach(attempt, acknowledged)
            more = self._guard(attempt, conversation), self._explain(attempt, conversation)
            await stack.enter_async_context(beside(*more))
            yield conversation

    async def held(self) -> tuple[Found, ...]:
        while True:
            try:
                return await self._held()
            except (ConnectionError, ApiDown, ApiRefused) as problem:
                log.warning("what is left of earlier times cannot be seen: %s", problem)
            await asyncio.sleep(_AGAIN[0])

    async def leftovers(self, attempt: Attempt, after: int) -> AsyncIterator[Record]:
        """None: a journal goes with its pod. A conductor that was killed in a pod that lives comes back and tells."""
        none: tuple[Record, ...] = ()
        for record in none:
            yield record

    def hear(self, ear: Ear) -> None:
        self._notes.ear = ear

    async def remove(self, attempt: Attempt) -> None:
        pause = _AGAIN[0]
        while True:
            pod = self._pods.now.get(attempt)
            try:
                for namespace in [pod["metadata"]["namespace"]] if pod is not None else self._settings.everywhere:
                    await self._remove(attempt, namespace, pod)
                break
            except (ApiDown, ApiRefused) as problem:
                log.warning("%s cannot be removed yet: %s", attempt, problem)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _AGAIN[1])
        self._pairs.pop(attempt, None)
        self._notes.forget(attempt)

    async def reachable(self, attempt: Attempt) -> str:
        """Wait until the service that this attempt is can be reached; its address. Raises ConductorGone."""
        while True:
            with suppress(ConnectionError):
                state = await self._sight.judged(attempt)
                if isinstance(state, Gone):
                    raise ConductorGone(state.words)
                pod = self._pods.now.get(attempt)
                if pod is not None and isinstance(state, Up) and symptoms.ready(pod):
                    return state.address
            await self._sight.changed(attempt)

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._calls.close()

    # --- launching ------------------------------------------------------------------------------------------

    def _made(self, assign: Assign) -> Manifests:
        bundle, settings = assign.bundle, self._settings
        try:
            plan = from_bytes(bundle.plan)
            if nameless := runs_without_command(plan, settings):
                words = f"step {nameless[0]!r} names no command, and what its image runs by itself is not known here"
                raise CannotLaunch(f"{words}; say `command:`", final=True)
            order = Order(plan, bundle.plan, encode_to(bundle), fresh_pair(), assign.service, assign.secrets)
            made = held(manifests(order, bundle.attempt, settings), self._policy)
        except (BadPlan, CannotMake) as problem:
            raise CannotLaunch(str(problem), final=True) from None
        if refused := list(refusals(made, plan, self._policy, settings)):
            raise CannotLaunch(f"this cluster's policy does not allow it: {'; '.join(refused)}", final=True)
        self._pairs[bundle.attempt] = order.pair
        return made

    async def _create(self, attempt: Attempt, made: Manifests) -> None:
        base = f"/api/v1/namespaces/{made.namespace}"
        if await self._created(f"{base}/secrets", made.secret, attempt) is None:
            self._pairs.pop(attempt, None)  # an earlier launch's secret stands, and is the pod's
        for claim in made.claims:
            await self._created(f"{base}/persistentvolumeclaims", claim, attempt)
        pod = await self._created(f"{base}/pods", made.pod, attempt)
        if pod is not None and attempt not in self._pods.now:
            self._pods.put(attempt, pod)  # the watch will tell the same a moment later

    async def _created(self, path: str, body: Object, attempt: Attempt) -> Object | None:
        """The new object; None where one is there already, which must be ours."""
        try:
            return await self._calls.create(path, body)
        except ApiRefused as refused:
            if refused.reason != "AlreadyExists":
                raise
            there = await self._calls.get(f"{path}/{body['metadata']['name']}") or {}
            metadata = there.get("metadata") or {}
            ours = (metadata.get("labels") or {}).get(naming.AGENT) == self._settings.agent
            if not ours or naming.attempt_of(metadata.get("annotations")) != attempt:
                raise
            return None

    async def _undo(self, attempt: Attempt, made: Manifests) -> None:
        """Remove what a launch that failed left behind; now, or as soon as the API server lets us."""
        try:
            await self._remove(attempt, made.namespace, made.pod)
        except (ApiDown, ApiRefused):
            self._owed.put_nowait(attempt)
        self._pairs.pop(attempt, None)

    # --- connecting -----------------------------------------------------------------------------------------

    async def _held(self) -> tuple[Found, ...]:
        """Every trace. ConnectionError, ApiDown, ApiRefused."""
        await self._sight.listed()
        found = {attempt: not isinstance(self._sight.state(attempt), Gone) for attempt in self._pods.now}
        for namespace in self._settings.everywhere:
            for kind in _KINDS:
                query = {"labelSelector": naming.selector(self._settings.agent)}
                listed = await self._calls.get(f"/api/v1/namespaces/{namespace}/{kind}", query, metadata=True) or {}
                for item in listed.get("items") or ():
                    if attempt := naming.attempt_of((item.get("metadata") or {}).get("annotations")):
                        found.setdefault(attempt, False)
        return tuple(Found(attempt, alive) for attempt, alive in sorted(found.items()))

    async def _up(self, attempt: Attempt) -> tuple[_Where, str]:
        """Wait until the conductor's container runs."""
        await self._sight.listed()
        now = asyncio.get_running_loop().time
        began = now()
        while True:
            match await self._sight.judged(attempt):
                case Gone() as gone:
                    raise ConductorGone(await self._why(attempt, gone))
                case Up(address):
                    metadata = self._pods.now[attempt]["metadata"]
                    return _Where(metadata["namespace"], metadata["name"]), address
                case Coming():
                    await self._sight.changed(attempt, _LATE)
                    if now() - began > _LATE:
                        await self._notes.tell(attempt, again=True)

    async def _why(self, attempt: Attempt, gone: Gone) -> str:
        """In the cluster's words, its events told before."""
        warning = await self._notes.warning(attempt)
        return gone.words if gone.explained else f"{gone.words}: {warning or 'the cluster does not say why'}"

    async def _dialled(self, attempt: Attempt, stack: AsyncExitStack) -> PodConversation:
        """A connection, as soon as the conductor listens."""
        calls, settings, pause = self._calls, self._settings, _DIAL[0]
        known = self._pairs.get(attempt)
        context = _speaking(known) if known is not None else None  # while there is time
        while True:
            where, address = await self._up(attempt)
            context = context or await self._context(attempt, where)
            try:
                return await stack.enter_async_context(
                    dialled(calls, settings, where.namespace, where.name, address, context)
                )
            except ConnectionError:
                if pause > _DIAL[1]:
                    raise
            await self._pods.changed(attempt, pause)
            pause *= 1.5

    async def _context(self, attempt: Attempt, where: _Where) -> ssl.SSLContext:
        pair = self._pairs.get(attempt)
        if pair is None:
            try:
                secret = await self._calls.get(f"/api/v1/namespaces/{where.namespace}/secrets/{where.name}")
            except (ApiDown, ApiRefused) as problem:
                raise ConnectionError(str(problem)) from None
            if secret is None:
                raise ConductorGone("the secret of its pod was deleted, so nobody can speak with it")
            pair = self._pairs[attempt] = _pair_in(secret)
        return _speaking(pair)

    async def _guard(self, attempt: Attempt, conversation: PodConversation) -> None:
        """Beside a conversation: tell the conductor of its containers, hang up when its pod is gone."""
        told: set[Casualty] = set()
        while True:
            with suppress(OSError):
                if isinstance(await self._sight.judged(attempt), Gone):
                    await asyncio.sleep(1)  # what is under way may still arrive
                    conversation.hang_up()
                    return
                fresh = await self._sight.casualties(attempt, told)
                for each in fresh:
                    told.add(each)
                    await conversation.say(ContainerGone(each.container, each.words, each.final))
                if fresh or self._sight.troubled(attempt):
                    await self._notes.tell(attempt, again=not fresh)
            await self._sight.changed(attempt)

    async def _explain(self, attempt: Attempt, conversation: PodConversation) -> None:
        """Beside a conversation: once its pod is told to end, say why, as far as the cluster tells."""
        await conversation.leaving.wait()
        if words := self._sight.leaving(attempt) or await self._notes.ending(attempt):
            with suppress(OSError):
                await conversation.say(ContainerGone(CONDUCTOR, words))

    # --- removing -------------------------------------------------------------------------------------------

    async def _remove(self, attempt: Attempt, namespace: str, pod: Object | None) -> None:
        base, name = f"/api/v1/namespaces/{namespace}", naming.pod_name(attempt)
        await self._delete_pod(attempt, f"{base}/pods/{name}")
        await self._calls.delete(f"{base}/secrets/{name}")
        if pod is None or _has_claims(pod):
            both = ",".join(f"{key}={value}" for key, value in naming.labels(attempt, self._settings.agent).items())
            await self._calls.delete(f"{base}/persistentvolumeclaims", {"labelSelector": both})

    async def _delete_pod(self, attempt: Attempt, path: str) -> None:
        """Delete it, and wait until it is gone: nothing of it runs any more."""
        if not await self._calls.delete(path, grace=1):
            self._pods.drop(attempt)
            return
        deadline = asyncio.get_running_loop().time() + self._settings.patience.removal
        while attempt in self._pods.now and asyncio.get_running_loop().time() < deadline:
            await self._pods.changed(attempt, deadline - asyncio.get_running_loop().time())
        if attempt in self._pods.now:
            log.warning("%s does not end; it is deleted without its node's word", attempt)
            await self._calls.delete(path, grace=0)
            self._pods.drop(attempt)


def _speaking(pair: Pair) -> ssl.SSLContext:
    """The agent's end. Raises ConductorGone where these keys open nothing."""
    try:
        return client_context(pair)
    except (OSError, ValueError):
        raise ConductorGone("the secret of its pod was changed, so nobody can speak with it") from None


def _pair_in(secret: Object) -> Pair:
    """The keys that an earlier launch laid down."""
    try:
        data = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
        return Pair(data[CA], data[CERTIFICATE], data[AGENT_KEY])
    except (KeyError, ValueError, TypeError):
        return Pair(b"", b"", b"")  # opens nothing


def _has_claims(pod: Object) -> bool:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return any("persistentVolumeClaim" in volume for volume in volumes)


def _admission(refused: ApiRefused) -> bool:
    """Whether a 403 is a rule's rather than a lack's: a quota may have room again."""
    return refused.status == 403 and "exceeded quota" not in refused.words
