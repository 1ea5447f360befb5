"""Answers the API server's question whether an object may come in: by compiling it beside all others.

Nothing is decided here that compile does not decide, nothing is written, no nginx is run. A fault of ours, or of the
network, never keeps anybody out.
"""
