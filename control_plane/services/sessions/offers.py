"""What an agent is offered: an execution's bundle, and the values that no other message holds.

Made by the house; called by routing when an execution is handed out, and by a session's opening for what was handed
out and not heard.
"""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.ports.records import ExecutionRow, PlanRow
from control_plane.ports.vault import Vault
from control_plane.services.entrusted import unsealed
from workflow.journal import ChildKind
from workflow.session import Assign, Bundle


@dataclass(frozen=True, slots=True)
class Offers:
    """How offers are made. ``log_limit``: bytes of output that are kept of one attempt; 0: all."""

    vault: Vault
    log_limit: int = 0

    def of(self, row: ExecutionRow, plan: PlanRow) -> Assign:
        """The offer of the execution's present attempt. Unreadable."""
        parts = plan.plan, plan.variables, plan.transfers, plan.annotations
        bundle = Bundle(row.current, *parts, log_limit=self.log_limit)
        service = row.place is not None and row.place.kind is ChildKind.SERVICE
        return Assign(bundle, service, unsealed(self.vault, plan.secrets))
