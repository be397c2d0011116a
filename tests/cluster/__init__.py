"""Runs on a real Kubernetes. Marked ``cluster``; skipped with a reason where there is none.

Wanted in the environment: ``KUBECONFIG`` (one or more files, each a cluster; their current contexts are used) and
``MUSTER_TEST_IMAGE``, our image as the clusters' nodes have it. ``busybox:1.36`` and ``python:3.11-slim`` must be there
too. Pods are reached by their addresses where this machine can, else through the API server (``MUSTER_TEST_REACH``).
"""
