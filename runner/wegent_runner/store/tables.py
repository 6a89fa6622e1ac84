"""The tables of the store. ``migrations`` creates and changes them."""

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The base of all tables."""


class Run(Base):
    """The run of one Task. ``attempt`` is the fence: a write of a lower attempt is refused."""

    __tablename__ = "runs"
    __table_args__ = (Index("runs_by_name", "namespace", "name"),)

    uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    """``metadata.uid`` of the Task."""
    namespace: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(253))
    attempt: Mapped[int] = mapped_column(Integer)
    previous: Mapped[str | None] = mapped_column(String(64))
    """UID of the Task whose conversation goes on."""
    prompt: Mapped[str] = mapped_column(Text)
    history: Mapped[str | None] = mapped_column(Text)
    """JSON of the turns between the previous Task's transcript and the prompt; NULL for none."""
    outcome: Mapped[str | None] = mapped_column(Text)
    """JSON of the run's end; NULL until then."""
    created_at: Mapped[int] = mapped_column(BigInteger)
    """Unix time in milliseconds."""
    used_at: Mapped[int] = mapped_column(BigInteger, index=True)
    """Unix time in milliseconds of the last write."""


class Item(Base):
    """One finished item of a run."""

    __tablename__ = "items"

    uid: Mapped[str] = mapped_column(ForeignKey("runs.uid", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer)
    start: Mapped[int] = mapped_column(BigInteger)
    """Position before its first event: see ``runs.items``."""
    status: Mapped[str] = mapped_column(String(16))
    bot: Mapped[str] = mapped_column(String(320))
    text: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16), server_default="message")
    """Class of the item: see ``store.rows``."""
    data: Mapped[str | None] = mapped_column(Text)
    """JSON of its other fields; NULL for none."""
