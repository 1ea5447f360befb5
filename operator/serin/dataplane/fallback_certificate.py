"""Keeps the default certificate in state/ over restarts, so that clients who accepted it need not do so again."""

import datetime as dt
import os
from pathlib import Path

from cryptography import x509

from serin.dataplane.certificate import default_certificate

RENEW_BEFORE = dt.timedelta(days=30)


def certificate_path(run_dir: Path) -> Path:
    return run_dir / "state" / "default.pem"


def keep_certificate(path: Path, now: dt.datetime | None = None) -> None:
    """Leave a valid certificate at `path` (mode 0640); make another when it is missing, unreadable or ends soon."""
    moment = now or dt.datetime.now(dt.UTC)
    if _lasts(path, moment):
        return
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    with os.fdopen(fd, "wb") as file:
        file.write(default_certificate(moment))
    fresh.replace(path)


def _lasts(path: Path, moment: dt.datetime) -> bool:
    try:
        end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return False
    return end - moment > RENEW_BEFORE
