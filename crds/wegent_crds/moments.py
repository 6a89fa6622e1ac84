"""Parsing of times that other programs wrote. It never raises: schemas also match February 30."""

from datetime import UTC, datetime


def moment(text: object) -> datetime | None:
    """Return the time of an RFC 3339 text in UTC, or None for any other value."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
