"""Manifests from files and folders, followed by inotify.

What comes out are views and problems, as from any other source. This room must not know what a plan is.
"""

from serin.files.source import Changes, FileSource

__all__ = ["Changes", "FileSource"]
