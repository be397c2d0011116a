"""Between conductors and control plane: what goes up is passed on, what comes down is passed on, nothing is kept.

| module | meaning |
|---|---|
| relay | the session: hello, assignments, heartbeats, the end of attempts |
| carrier | one attempt: its conductor's journal up, acknowledgements and directives down |
| files | one attempt's artifacts and transfer blobs |
| patience | how long to wait before the next try |
"""

from agent.relay.relay import Relay, RelayOptions

__all__ = ["Relay", "RelayOptions"]
