"""The compiler's question about a pattern, answered by the engine that will run it."""

from serin.native.pattern import Pattern, PatternError


def check_pattern(text: str, ignore_case: bool) -> str | None:
    """What is wrong with the pattern; None when it compiles."""
    try:
        Pattern(text, ignore_case=ignore_case)
    except PatternError as error:
        return str(error)
    return None
