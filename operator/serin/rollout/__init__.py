"""A release from 0 to 100 % by steps, judged by its own traffic: a state machine and its statistics.

Pure: a CanaryRoute with its status, the counts of all replicas and the time go in; the next status and what to tell go
out. It must not do I/O, look at a clock or know how anything is stored: a new leader that reads the status goes on as
the old one would have.
"""
