"""The status of CanaryRoutes in the API server: written by the leader alone, seen by all replicas."""

from serin.cluster.canaries.writer import CanaryStatusWriter

__all__ = ["CanaryStatusWriter"]
