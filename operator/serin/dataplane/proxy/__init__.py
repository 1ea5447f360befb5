"""The embedded data plane: an HTTP/1.1 reverse proxy on aiohttp's parsers and uvloop, N processes.

downstream (client connections) → gate (what a request meets) → upstream (endpoint connections).
"""
