"""The soak has a world of its own."""

from harness.fixtures import plane, world

__all__ = ["plane", "world"]
