"""Runs on a real Kubernetes. Marked ``cluster``; skipped with a reason where there is none.

``make test-cluster`` runs them. Wanted in the environment: ``KUBECONFIG`` (one to three files, each a cluster: dev,
staging, prod; their current contexts are used) and ``MUSTER_TEST_IMAGE``, our image as the clusters' nodes have it.
``busybox:1.36``, ``python:3.11-slim``, ``registry.k8s.io/pause:3.10`` and, for the example, ``python:3.12`` must be
there too, or come from a registry. Pods are reached by their addresses where this machine can, else through the API
server (``MUSTER_TEST_REACH=tunnel``).

``MUSTER_TEST_STAND_INS=1`` says that the nodes have what the seeds' documents need where there is no registry of npm:
``node:18``, ``node:20``, ``node:22`` and ``mcr.microsoft.com/playwright:v1.38.0-focal``, made of busybox and the two
programs in ``tests/scenarios/bin``, which our image must have on its PATH as well.
"""
