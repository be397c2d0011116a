"""Work finds its agent. See control_plane.services.routing.routing."""

from control_plane.services.routing.routing import Routing

__all__ = ["Routing"]
