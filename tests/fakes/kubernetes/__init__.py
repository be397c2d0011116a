"""A cluster in one process: an API server that keeps objects, and a kubelet that runs their containers as processes.

Enough for what agent.executors.kubernetes asks, told as a real API server tells it; the executor's contract runs on it
and on real clusters alike. ``api`` is HTTP over loopback, ``kubelet`` starts the real conductor and the real gates with
the paths of a pod rewritten to a directory of its own.
"""
