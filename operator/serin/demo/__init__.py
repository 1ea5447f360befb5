"""`make demo`: the examples served with demo backends, and what was observed beside what is expected.

A user of Serin's command line like any other: it must not look inside.
"""
