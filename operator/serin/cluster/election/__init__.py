"""Who writes: one replica at a time, elected by a Lease. All others serve on as before."""

from serin.cluster.election.lease import AlwaysLeading, Election

__all__ = ["AlwaysLeading", "Election"]
