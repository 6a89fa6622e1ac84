"""Calls that are being made, and the usage of namespaces."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "model_calls",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("model_calls_by_model", "model_calls", ["model", "expires_at"])
    op.create_table(
        "namespace_usage",
        sa.Column("namespace", sa.String(63), primary_key=True),
        sa.Column("next_request_at", sa.BigInteger, nullable=False),
        sa.Column("day", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("namespace_usage")
    op.drop_table("model_calls")
