"""The tables of calls, turns, tools and events."""

from alembic import op

from avr_sts_speechmatics.records.tables import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables and their indexes."""
    metadata.create_all(op.get_bind(), checkfirst=False)
