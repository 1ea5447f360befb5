"""Serin: a Kubernetes ingress controller whose first purpose is canary routing."""

__version__ = "0.1.0"
