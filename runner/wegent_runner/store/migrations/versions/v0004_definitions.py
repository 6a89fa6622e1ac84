"""The objects that runs used, and their specs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "definitions",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "run_definitions",
        sa.Column(
            "uid", sa.String(64), sa.ForeignKey("runs.uid", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(63), nullable=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("name", sa.String(253), nullable=False),
        sa.Column("object_uid", sa.String(64), nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), sa.ForeignKey("definitions.hash"), nullable=False),
    )
    op.create_index("run_definitions_by_hash", "run_definitions", ["hash"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("run_definitions")
    op.drop_table("definitions")
