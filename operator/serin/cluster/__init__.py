"""Objects out of a Kubernetes API server, and the little that is written back: Ingress status, Events, the Lease.

Watching is kopf's (`watch`), reading by name and writing the kubernetes package's (`api`). What objects mean is not
known here, nor who serves them. Nothing in here may write to an object that users own.
"""
