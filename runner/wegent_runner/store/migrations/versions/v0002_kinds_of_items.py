"""Items of other kinds than messages."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns. Items that are there are messages."""
    op.add_column(
        "items", sa.Column("kind", sa.String(16), nullable=False, server_default="message")
    )
    op.add_column("items", sa.Column("data", sa.Text))


def downgrade() -> None:
    """Drop the columns, and the items that need them."""
    op.execute("DELETE FROM items WHERE kind <> 'message'")
    with op.batch_alter_table("items") as items:
        items.drop_column("data")
        items.drop_column("kind")
