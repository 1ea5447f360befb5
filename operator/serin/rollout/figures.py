"""How rates, times and numbers of requests are said in status.checks: short, and the same everywhere."""


def count(number: float) -> str:
    return f"{round(number):,}"


def rate(of_one: float) -> str:
    """As per cent, with two digits that mean something: "0.21%", "4.9%", "12%"."""
    value = of_one * 100
    if value >= 10:
        return f"{value:.0f}%" if value < 99.5 or of_one >= 1 else f"{value:.2f}%"
    decimals = 1 if value >= 1 else 2 if value >= 0.1 else 3
    text = f"{value:.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "%"


def duration(us: float) -> str:
    """Microseconds as people say them: 85us, 1.3ms, 130ms, 2.1s."""
    if us < 1000:
        return f"{us:.0f}us"
    if us < 10_000:
        return f"{us / 1000:.1f}ms"
    if us < 1_000_000:
        return f"{us / 1000:.0f}ms"
    return f"{us / 1_000_000:.1f}s"


def decimal(value: float) -> str:
    """As a user wrote a limit: 1.5, 0.98, 5."""
    return f"{value:.6g}"


def evidence(value: float) -> str:
    """Decimal, two places where they matter."""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}" if value < 1_000_000 else "over 1000000"


def of(bad: int, requests: int) -> str:
    """ "0.21% of 1,840"."""
    return f"{rate(bad / requests)} of {count(requests)}" if requests else "no requests"
