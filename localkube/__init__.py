"""A real Kubernetes on this machine, without Docker: for tests, `make cluster` and bench/. Not part of the product."""
