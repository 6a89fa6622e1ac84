"""Strikes API keys out of the text that providers send.

The hosts of a key are its owner's choice. But others may choose the path, and some servers answer
with the headers of the request. Only the key itself is found, not its encodings.
"""

from typing import Final

STRUCK: Final = "***"
MIN_CHARACTERS: Final = 8
"""Length of the shortest key that is struck out. Shorter ones are placeholders such as ``none``,
and would damage ordinary text."""


MIN_PIECE_CHARACTERS: Final = 4
"""Length of the shortest piece of a key that counts as one."""


def has_piece(text: str, secret: str | None) -> bool:
    """Return True if a text has a piece of the secret.

    Providers show the beginning and the end of a key that they refuse: ``sk-ab***wxyz``.
    """
    if secret is None or len(secret) < MIN_CHARACTERS:
        return False
    starts = range(len(secret) - MIN_PIECE_CHARACTERS + 1)
    return any(secret[at : at + MIN_PIECE_CHARACTERS] in text for at in starts)


def struck(text: str, secret: str | None) -> str:
    """Return ``text`` without the secret."""
    if secret is None or len(secret) < MIN_CHARACTERS:
        return text
    return text.replace(secret, STRUCK)


class Redactor:
    """Strikes a secret out of a text that comes in pieces, however it is cut.

    The end of a piece is held back as long as it may be the beginning of the secret.
    """

    def __init__(self, secret: str | None) -> None:
        self._secret = secret if secret and len(secret) >= MIN_CHARACTERS else None
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return the text that may be shown after a further piece."""
        if self._secret is None:
            return piece
        text = struck(self._held + piece, self._secret)
        keep = _overlap(text, self._secret)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """Return the rest, at the end of the text."""
        rest, self._held = self._held, ""
        return rest


def _overlap(text: str, secret: str) -> int:
    """Return the length of the longest end of ``text`` with which the secret begins."""
    begin = text.find(secret[0], max(0, len(text) - len(secret) + 1))
    while begin >= 0:
        if secret.startswith(text[begin:]):
            return len(text) - begin
        begin = text.find(secret[0], begin + 1)
    return 0
