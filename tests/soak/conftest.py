"""The soak has a world of its own."""

from harness.fixtures import world

__all__ = ["world"]
