"""The plan's run in a pod, to the journal's last entry. Called by the pod's main, and loaded by it only once the port
takes calls: what is loaded here is more than half of a conductor, and meanwhile the agent dials and the control plane
gives leave.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from agent.conductor.attendance import Attendance
from agent.conductor.clock import now
from agent.conductor.entrusted import entrusted
from agent.conductor.exchange import Exchange
from agent.conductor.host import Host
from agent.conductor.journal import Journal
from agent.conductor.pod.gate import Gate
from agent.conductor.pod.place import PodPlace
from agent.conductor.pod.terms import PodTerms
from agent.conductor.pod.token import Tokens
from agent.conductor.pod.values import laid_down
from agent.conductor.processes import Processes
from agent.conductor.stage import Surroundings
from agent.ports.conductor import SecretValues
from workflow.journal import AttemptFinished
from workflow.plan.encode import BadPlan, from_bytes
from workflow.session import Bundle
from workflow.states import ExecutionState


@dataclass(frozen=True, slots=True)
class Parts:
    """What the parts of one conductor share. ``folder`` is where the kubelet laid down what it begins with."""

    folder: Path
    terms: PodTerms
    bundle: Bundle
    journal: Journal
    exchange: Exchange
    attendance: Attendance
    gates: dict[str, Gate]


async def executed(parts: Parts) -> None:
    """Run the plan to the journal's last entry."""
    terms, bundle = parts.terms, parts.bundle
    try:
        plan = from_bytes(bundle.plan)
    except BadPlan as problem:
        await parts.journal.write(AttemptFinished(now(), ExecutionState.ABORTED, str(problem)))
        return
    processes = Processes(alone=os.getpid() == 1)
    place = PodPlace(terms, parts.gates, processes)
    values = {**laid_down(Path(terms.values), terms.fields, os.environ), **entrusted(parts.folder)}
    shell, env = (f"{terms.tools}/sh",), dict(terms.env)
    around = Surroundings(bundle.attempt, place, parts.journal, parts.exchange, env, shell, values, tokens=Tokens())
    host = Host(plan, bundle, around)
    host.entrusted(SecretValues(values))
    parts.attendance.serve(host)
    await host.run()
    await place.end_all()
    place.close()
