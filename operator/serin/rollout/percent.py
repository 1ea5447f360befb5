"""Shares as people write them. Parts of 100,000 in; per cent with as many decimals as are needed, at most 6, out."""


def percent(parts: float) -> str:
    """12500 → 12.5%, 1 → 0.001%."""
    return f"{parts / 1000:.6f}".rstrip("0").rstrip(".") + "%"
