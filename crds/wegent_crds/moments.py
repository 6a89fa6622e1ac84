"""Times that others wrote. Parsing never fails: a schema's pattern also lets February 30 by."""

from datetime import UTC, datetime


def moment(text: object) -> datetime | None:
    """Return the time that an RFC 3339 text names; None for every other value."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
