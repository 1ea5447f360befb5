"""What can keep a local Kubernetes from coming up, in one sentence for people."""


class LocalKubeError(Exception):
    """Something outside this program is missing or failed; the text says what, and what to do."""
