"""Objects in, plan and problems out. Pure: no I/O, no clock, no randomness, nothing kept between calls.

A user's mistake is a problem beside whatever can still be served; it never touches another object's routes.
"""
