"""What serves requests: processes that read the run directory and nothing else.

No Kubernetes client, no token, no compiler is imported here (import-linter holds that); the plan's values
(serin.routing), the run directory (serin.render, serin.native) are all it knows.
"""
