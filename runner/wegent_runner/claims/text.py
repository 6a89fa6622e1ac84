"""Texts with a limit."""


def cut(text: str, limit: int, mark: str = "…") -> str:
    """Return ``text``, shortened to ``limit`` characters with ``mark`` at its end if need be."""
    return text if len(text) <= limit else text[: limit - len(mark)] + mark
