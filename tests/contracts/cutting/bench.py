"""An agent that sees its API server through a proxy, and the tests' own way past it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from kubernetes.aio.client import ApiClient, Configuration

from agent.executors.kubernetes.calls import Calls, Object
from agent.executors.kubernetes.executor import KubernetesExecutor
from agent.executors.kubernetes.naming import pod_name
from agent.executors.kubernetes.policy import Policy
from agent.executors.kubernetes.settings import Patience, Settings
from agent.relay import Relay, RelayOptions
from tests.agent.plans import assign, attempt, plan, step
from tests.fakes.control import Held, MemoryControl
from tests.fakes.kubernetes.proxy import Proxy
from workflow.identifiers import Attempt
from workflow.plan.nodes import Container, Run
from workflow.session import AttemptLost, LinkDown
from workflow.states import ExecutionState

PATIENCE = Patience(pull=20, pending=60, removal=20, silence=2, relist=4)
"""Re-checks within seconds."""
BOUND = PATIENCE.silence + PATIENCE.relist
"""Seconds after which the agent has looked for itself, whatever its watch told."""
WAIT = 60.0
"""Seconds for which a test waits for anything, on a machine with little to spare."""
KINDS = ("pods", "secrets", "persistentvolumeclaims", "configmaps", "services")
LINES = 60
IMAGE = "busybox:1.36"


@dataclass
class Cut:
    """An agent at work behind the proxy."""

    proxy: Proxy
    control: MemoryControl
    executor: KubernetesExecutor
    relay: Relay
    settings: Settings
    past: Calls
    """The API server without the proxy."""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The path of the namespace."""
        return f"/api/v1/namespaces/{self.settings.namespace}"

    async def counting(self, lines: int = LINES, pause: float = 0.02) -> tuple[Attempt, Held]:
        """Begin an execution that prints numbered lines."""
        script = f"i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo $i; sleep {pause}; done"
        return self.begin(script)

    def begin(self, script: str) -> tuple[Attempt, Held]:
        """Begin an execution of one script, and a second step behind it."""
        of = attempt(name=f"cut-{secrets.token_hex(5)}")
        bodies = [Run(Container(image=IMAGE), script=each) for each in (script, "echo end")]
        assigned = assign(plan(*(step(place, body) for place, body in enumerate(bodies, 1))), of)
        held = self.control.expect(of)
        self.control.say(assigned)
        return of, held

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for what the agent says."""
        await self.control.until(true, WAIT)

    async def passed(self, held: Held, lines: int = LINES) -> None:
        """It passes, with every line once, in order; then nothing is left."""
        await self.until(lambda: held.finished is not None)
        assert held.finished is not None and held.finished.state is ExecutionState.PASSED, held.finished
        assert held.output() == b"".join(b"%d\n" % number for number in range(1, lines + 1)) + b"end\n"
        await self.clean()

    async def lost(self, of: Attempt, held: Held, within: float = WAIT) -> str:
        """It is lost or aborted, and never passed; why. Then nothing of it is left."""

        def reasons() -> list[str]:
            told = [said.reason for said in self.control.said if isinstance(said, AttemptLost) and said.attempt == of]
            return told + ([held.finished.reason] if held.finished else [])

        await self.control.until(lambda: bool(reasons()), within)
        assert held.finished is None or held.finished.state is ExecutionState.ABORTED
        await self.clean(of)
        return reasons()[0]

    async def clean(self, of: Attempt | None = None) -> None:
        """Wait until the cluster holds nothing of this agent's, or of one attempt."""
        name = pod_name(of) if of is not None else ""
        async with asyncio.timeout(WAIT):
            while any(name in each for each in await self.left()):
                await asyncio.sleep(0.1)

    async def left(self) -> list[str]:
        """Every object of this agent's."""
        return await ours(self.past, self.base)

    async def pod(self, of: Attempt) -> Object | None:
        """As the API server shows it."""
        return await self.past.get(f"{self.base}/pods/{pod_name(of)}")

    async def delete(self, of: Attempt) -> None:
        """Somebody else deletes its pod."""
        await self.past.delete(f"{self.base}/pods/{pod_name(of)}", grace=0)


async def ours(calls: Calls, base: str) -> list[str]:
    """Every object of an agent in the namespace at ``base``."""
    names = []
    for kind in KINDS:
        found = await calls.get(f"{base}/{kind}", {"labelSelector": "muster.dev/agent"}) or {}
        names += [f"{kind}/{item['metadata']['name']}" for item in found.get("items") or ()]
    return names


@asynccontextmanager
async def cut_off(server: Configuration, settings: Settings, patience: Patience) -> AsyncIterator[Cut]:
    """An agent that reaches ``server`` through a proxy alone."""
    settings, control = replace(settings, patience=patience), MemoryControl()
    past = Calls(ApiClient(server))
    async with Proxy(server).served() as proxy:
        executor = KubernetesExecutor(Calls(ApiClient(proxy.configuration())), settings, Policy())
        relay = Relay(control, executor, RelayOptions(50, "test"))
        loop = asyncio.get_running_loop()
        made = Cut(proxy, control, executor, relay, settings, past)
        made.tasks = [loop.create_task(executor.run()), loop.create_task(relay.run())]
        try:
            await control.until(lambda: bool(control.hellos), WAIT)
            yield made
        finally:
            for task in made.tasks:
                task.cancel()
                with suppress(asyncio.CancelledError, LinkDown):
                    await task
            await executor.close()
            await past.close()
