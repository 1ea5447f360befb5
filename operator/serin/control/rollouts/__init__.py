"""The leader's care for rollouts: looks, asks the engine for the next status, writes it, tells of it.

What comes next is decided in serin.rollout alone. In here are the waiting and the order: a status is written before
anything is told of it, and it takes effect by being seen as everybody sees it, never by another way.
"""
