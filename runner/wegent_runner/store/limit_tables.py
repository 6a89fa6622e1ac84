"""The tables of limits: see ``store.limits``. ``migrations`` creates and changes them."""

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from wegent_runner.store.tables import Base


class ModelCall(Base):
    """A call that is being made of a Model with ``maxConcurrentRequests``.

    Its runner renews it. The call of a runner that was killed expires.
    """

    __tablename__ = "model_calls"
    __table_args__ = (Index("model_calls_by_model", "model", "expires_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    model: Mapped[str] = mapped_column(String(64))
    """``metadata.uid`` of the Model."""
    expires_at: Mapped[int] = mapped_column(BigInteger)
    """Unix time in microseconds by the database's clock."""


class NamespaceUsage(Base):
    """The usage of a namespace whose requests or tokens are limited."""

    __tablename__ = "namespace_usage"

    namespace: Mapped[str] = mapped_column(String(63), primary_key=True)
    next_request_at: Mapped[int] = mapped_column(BigInteger)
    """Unix time in microseconds at which all requests so far would have been made, had they been
    spread evenly at the allowed rate."""
    day: Mapped[int] = mapped_column(BigInteger)
    """Days since 1970, in UTC."""
    tokens: Mapped[int] = mapped_column(BigInteger)
    """Tokens that were used on that day."""
