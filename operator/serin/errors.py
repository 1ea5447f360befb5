"""Exceptions of Serin. A user's mistake is a Problem (serin.problems), never one of these."""


class SerinError(Exception):
    """Base of all exceptions that Serin raises on purpose."""


class UsageError(SerinError):
    """The command line asks for something that cannot be done; the text says what to change."""


class RunDirectoryError(SerinError):
    """The run directory is missing, held by another instance, or of another version."""


class CorruptFileError(SerinError):
    """A file of the run directory failed its checks (magic, version, length, checksum)."""
