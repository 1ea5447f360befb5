"""Counts of all replicas for the one that judges: each serves those of its own run directory, the leader asks them all.

What is said goes by TLS between holders of one Secret, and says nothing to anybody else. It must not judge: a replica
that says nothing is named as missing, and what follows from that is the rollout's business.
"""
