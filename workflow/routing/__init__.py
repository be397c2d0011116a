"""Who gets what, and why the rest waits: the rules of placing work, without I/O.

Called by control_plane.services.routing, which tells it what was committed (``Floor.note``, ``Floor.seat``), asks
what to hand out (``Floor.place``) and why something waits (``Floor.why``). It knows no store, no clock and no agent's
connection.

The rules, from the outermost: work goes only to a connected agent whose labels match and which has not refused it; a
group's limit holds; an agent's limit holds; between workflows it goes by turns; within a workflow children come
before new roots (what was begun is finished first), then first come, first served; among agents the least loaded one
gets it.

A slot is held by work that works: a service rides along with its parent, an execution that waits for children lends
its slot, a paused one runs nothing. Why: docs/adr.
"""

from workflow.routing.facts import Decisions, Placement, Seat, Work
from workflow.routing.floor import Floor

__all__ = ["Decisions", "Floor", "Placement", "Seat", "Work"]
