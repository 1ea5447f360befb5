"""The data plane for heavy traffic, HTTP/2 and gRPC: nginx, and the process that keeps it.

It renders what the run directory says, tests it, and steers one nginx master by signals. nginx serves on without it. It
must not decide what a request gets: the plan does that, and the C routine that nginx's Lua and the proxy share. In
which order to read it: docs/architecture.md.
"""
