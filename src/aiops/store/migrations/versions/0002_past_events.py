"""What earlier incidents a series was in, quickly; and which alert stands in an incident's title."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("incident", sa.Column("lead", sa.String(16), nullable=False, server_default=""))
    op.create_index("incident_alert_by_series", "incident_alert", ["fingerprint", "incident_id"])


def downgrade() -> None:
    op.drop_index("incident_alert_by_series", "incident_alert")
    op.drop_column("incident", "lead")
