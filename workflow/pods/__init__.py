"""What a plan asks of a cluster: which of its steps share a container, and how much the whole asks for.

Asked by the executor that makes pods and by the forecast that tells of them. It must not know how a pod is written
down.
"""
