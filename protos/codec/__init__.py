"""Wire <-> values. Beside agent.link, agent.conductor.frames and control_plane.rpc, nobody sees generated messages.

``journal`` and ``session`` never import grpc, so that a conductor starts quickly and stays small.
"""
