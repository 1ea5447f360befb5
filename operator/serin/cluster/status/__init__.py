"""What Ingresses show as their ADDRESS: where users and external-dns find us. The leader alone writes it."""

from serin.cluster.status.publish import Publish, read_addresses
from serin.cluster.status.writer import StatusWriter

__all__ = ["Publish", "StatusWriter", "read_addresses"]
