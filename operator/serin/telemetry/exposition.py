"""Prometheus text format 0.0.4, written line by line.

The page of a data plane has hundreds of thousands of samples that all come as numbers, so label texts are made once and
kept by the caller; a client library's registry of metric objects would stand in between.
"""

from collections.abc import Mapping, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


_AT_ONCE = 2000
"""Pieces that are put together at a time: a page may have a hundred megabytes, and its lines are twice as much."""


class Page:
    """Families in the order they are begun; samples follow their family's heading."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._blocks: list[bytes] = []

    def family(self, name: str, kind: str, text: str) -> None:
        """`kind` is counter, gauge, histogram or summary."""
        self._lines.append(f"# HELP {name} {text}\n# TYPE {name} {kind}\n")

    def sample(self, name: str, labels: str, value: float) -> None:
        """`labels` as `label_text` makes it, or empty."""
        self._lines.append(f"{name}{{{labels}}} {value:.15g}\n" if labels else f"{name} {value:.15g}\n")

    def gauge(self, name: str, text: str, value: float) -> None:
        """A family of one sample without labels."""
        self.family(name, "gauge", text)
        self.sample(name, "", value)

    def histogram(self, name: str, labels: str, bounds: Sequence[str], cumulative: Sequence[int], total: float) -> None:
        """`cumulative` has one more entry than `bounds` (upper bounds in the family's unit): the number of all."""
        lines = [f'{name}_bucket{{{labels},le="{le}"}} {n}\n' for le, n in zip(bounds, cumulative, strict=False)]
        count = cumulative[-1]
        lines.append(f'{name}_bucket{{{labels},le="+Inf"}} {count}\n')
        lines.append(f"{name}_sum{{{labels}}} {total:.15g}\n{name}_count{{{labels}}} {count}\n")
        self._lines.append("".join(lines))
        if len(self._lines) > _AT_ONCE:
            self._put_together()

    def text(self, ready: str) -> None:
        """Take in lines that are in the format already."""
        self._lines.append(ready if ready.endswith("\n") or not ready else ready + "\n")

    def encode(self) -> bytes:
        self._put_together()
        return b"".join(self._blocks)

    def _put_together(self) -> None:
        self._blocks.append("".join(self._lines).encode())
        self._lines.clear()


def label_text(labels: Mapping[str, str]) -> str:
    """`a="1",b="x"` with the values escaped."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
