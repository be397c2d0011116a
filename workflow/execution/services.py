"""``services``: started together, waited for until each is ready, stopped at the end of their step.

Used by machine. A service outlives the operation that starts it, so its children stand in broods, and the operation
that stops it finds them there.
"""

from __future__ import annotations

from collections.abc import Mapping

from workflow.execution.algebra import Ended
from workflow.execution.broods import Brood, Child
from workflow.execution.events import ChildrenExpanded, ExpandChildren, StopReason
from workflow.execution.timers import Purpose, Timer
from workflow.execution.words import duration
from workflow.execution.work import Call, Tools, Work, stopped
from workflow.journal import ChildSpec
from workflow.plan.nodes import Json, StartServices, StopServices
from workflow.states import ExecutionState, StepStatus


class Starting(Work):
    """Start services and wait until each is ready."""

    def __init__(self, tools: Tools, call: Call, operation: StartServices) -> None:
        super().__init__(tools, call)
        self._operation = operation
        self._brood = tools.broods.of(call.ref)
        self._brood.titles = tuple(service.name for service in operation.services)
        self._counted: tuple[ChildSpec, ...] | None = None
        self._mine: dict[int, Child] | None = None
        self._held = False

    def begin(self) -> None:
        """Have the instances counted out."""
        self.desk.order(ExpandChildren(self.ref, self.iteration, self._operation, self.names))

    def expanded(self, event: ChildrenExpanded) -> Ended | None:
        """Start all instances at once, each with the limit of its service; in pause, afterwards."""
        if self._counted is not None:
            return None
        if self.stopping is not None:
            return stopped(self.stopping)
        if event.problem:
            return Ended(StepStatus.FAILED, event.problem)
        self._counted = self._brood.numbered(event.children)
        return None if self._held else self._start(self._counted)

    def child_changed(self, index: int) -> Ended | None:
        """One is ready, or will never be."""
        child = self._mine.get(index) if self._mine is not None else None
        if child is None:
            return None
        if child.state.final and not self._is_ready(child):
            return Ended(StepStatus.FAILED, f"service {self._brood.called(child)} {_ending(child)} before it was ready")
        return self._looked_at()

    def timer_fired(self, timer: Timer) -> Ended | None:
        """A service had to be ready by now."""
        if timer.purpose is not Purpose.READY or self._mine is None:
            return None
        late = [child for child in self._mine.values() if child.spec.item == timer.item and not self._is_ready(child)]
        if not late:
            return None
        limit = duration(self._operation.services[timer.item].ready_timeout or 0)
        return Ended(StepStatus.FAILED, f"service {self._brood.called(late[0])} was not ready within {limit}")

    def suspend(self) -> None:
        """Start no instance."""
        self._held = True

    def resume(self) -> Ended | None:
        """Start those that have waited."""
        self._held = False
        return self._start(self._counted) if self._counted is not None and self._mine is None else None

    def halt(self, reason: StopReason) -> Ended | None:
        """Wait no longer. The services themselves are dropped at the end of their group."""
        return None if self._counted is None else stopped(reason)

    def _is_ready(self, child: Child) -> bool:
        """A service that ended well has done its work, unless a probe was to answer first."""
        probed = self._operation.services[child.spec.item].readiness_probe is not None
        return child.ready or (child.state is ExecutionState.PASSED and not probed)

    def _start(self, specs: tuple[ChildSpec, ...]) -> Ended | None:
        self._brood.want(specs)
        self._mine = {spec.index: self._brood.children[spec.index] for spec in specs}
        started = {spec.item for spec in specs}
        for item, service in enumerate(self._operation.services):
            if service.ready_timeout is not None and item in started:
                self.timers.start(Purpose.READY, self.ref, service.ready_timeout, item)
        return self._looked_at()

    def _looked_at(self) -> Ended | None:
        assert self._mine is not None
        return Ended(StepStatus.PASSED) if all(map(self._is_ready, self._mine.values())) else None


class Stopping(Work):
    """Give up the services that a step started; fails where one of them had crashed."""

    def __init__(self, tools: Tools, call: Call, operation: StopServices) -> None:
        super().__init__(tools, call)
        self._brood = tools.broods.of(operation.started_by)

    def begin(self) -> Ended:
        """What has crashed is known; what is open is no longer wanted."""
        crashed = [child for child in self._brood.children.values() if child.crashed]
        release(self._brood)
        if not crashed:
            return Ended(StepStatus.PASSED)
        words = "; ".join(f"service {self._brood.called(child)} {_ending(child)}" for child in crashed[:10])
        return Ended(StepStatus.FAILED, words)


def release(brood: Brood) -> None:
    """Let services go: they have done their work."""
    brood.drop(brood.open(), "their step is over", expected=True)


def results(brood: Brood, operation: StartServices) -> Mapping[str, Json]:
    """``services.<name>``: a list of ``{ip, description}``, one for each instance, as far as known."""
    found: dict[str, Json] = {}
    for item, service in enumerate(operation.services):
        instances: list[Json] = [
            {"ip": child.address, "description": child.description} for child in brood.by_item(item)
        ]
        found[service.name] = instances
    return found


def _ending(child: Child) -> str:
    return child.state.value + (f" ({child.reason})" if child.reason else "")
