"""The plan: what a request of a host and path meets, as plain values; and the oracle that reads it.

Both data planes translate the plan and never derive anything again from Ingress objects. No Kubernetes, nginx or
aiohttp types here, no I/O, no clock, no randomness.
"""
