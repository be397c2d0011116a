"""What the agent knows of its pods: watched in each namespace, asked for where the watch may be behind, judged.

Used by the executor. What follows from time alone (a patience that ended) is said only of a pod that was asked for
just now: a watch that is late, or mute, is no proof.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container

from agent.executors.kubernetes import naming, symptoms
from agent.executors.kubernetes.calls import ApiDown, ApiRefused, Calls
from agent.executors.kubernetes.settings import Settings
from agent.executors.kubernetes.symptoms import Casualty, Coming, Gone
from agent.executors.kubernetes.watching import Pods, Watching
from workflow.identifiers import Attempt

LOOK = 20.0
"""Seconds after which what is known of a pod is judged anew though nothing was heard of it."""
_LISTING = 30.0


class Sight:
    """Every namespace of an agent."""

    def __init__(self, calls: Calls, settings: Settings, clock: Callable[[], float]) -> None:
        self._calls = calls
        self._settings = settings
        self._clock = clock
        self.pods = Pods()
        self._watches = [Watching(calls, namespace, settings, self.pods) for namespace in settings.everywhere]

    async def run(self) -> None:
        """Watch, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for watch in self._watches:
                tasks.create_task(watch.run())

    async def listed(self) -> None:
        """Wait until everything was seen once. ConnectionError where that takes too long."""
        try:
            async with asyncio.timeout(_LISTING):
                for watch in self._watches:
                    await watch.listed.wait()
        except TimeoutError:
            raise ConnectionError("the API server does not list our pods") from None

    def state(self, attempt: Attempt) -> symptoms.State:
        """Where its pod stands, as far as was seen."""
        pod = self.pods.now.get(attempt)
        if pod is not None:
            return symptoms.state(pod, self._clock(), self._settings.patience)
        last = self.pods.last.get(attempt)
        if last is None:
            return Coming()
        return Gone(symptoms.ending(last) if last else "the pod is gone: somebody deleted it")

    def troubled(self, attempt: Attempt) -> bool:
        """Whether the cluster may have something to say of its pod."""
        return symptoms.troubled(self.pods.now.get(attempt, {}))

    def leaving(self, attempt: Attempt) -> str:
        """Why its pod is to end; empty where it stays, or is gone."""
        return symptoms.leaving(self.pods.now.get(attempt, {}))

    async def judged(self, attempt: Attempt) -> symptoms.State:
        """The same, and sure: asked for where it was not seen, or where only our patience ended. ConnectionError."""
        state = self.state(attempt)
        if (attempt not in self.pods.now and isinstance(state, Coming)) or (isinstance(state, Gone) and state.overdue):
            await self._look(attempt)
            return self.state(attempt)
        return state

    async def casualties(self, attempt: Attempt, told: Container[Casualty]) -> tuple[Casualty, ...]:
        """What became of its steps' containers and was not ``told`` yet; that one will never run is sure as well.
        ConnectionError."""
        found = self._casualties(attempt, told)
        if any(each.final for each in found):
            await self._look(attempt)
            return self._casualties(attempt, told)
        return found

    async def changed(self, attempt: Attempt, longest: float = LOOK) -> None:
        """Wait until its pod may have to be judged anew; at most so many seconds."""
        pod = self.pods.now.get(attempt, {})
        patience = symptoms.patient_for(pod, self._clock(), self._settings.patience)
        await self.pods.changed(attempt, min(longest, patience))

    def _casualties(self, attempt: Attempt, told: Container[Casualty]) -> tuple[Casualty, ...]:
        pod = self.pods.now.get(attempt)
        found = symptoms.casualties(pod, self._clock(), self._settings.patience) if pod is not None else ()
        return tuple(each for each in found if each not in told)

    async def _look(self, attempt: Attempt) -> None:
        """Ask for one pod."""
        for namespace in self._settings.everywhere:
            path = f"/api/v1/namespaces/{namespace}/pods/{naming.pod_name(attempt)}"
            try:
                pod = await self._calls.get(path)
            except (ApiDown, ApiRefused) as problem:
                raise ConnectionError(str(problem)) from None
            if pod is not None:
                self.pods.put(attempt, pod)
                return
        self.pods.drop(attempt, self.pods.now.get(attempt, {}))
