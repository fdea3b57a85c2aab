"""Incidents with their alerts, timeline and labels."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "incident",
        sa.Column("id", _Id, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("entities", sa.JSON, nullable=False),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("detected_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger),
        sa.Column("alert_count", sa.Integer, nullable=False),
        sa.Column("resolution", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
    )
    op.create_index("incident_by_time", "incident", ["started_ms", "id"])
    op.create_index("incident_by_state", "incident", ["state", "started_ms", "id"])
    op.create_table(
        "incident_alert",
        sa.Column("incident_id", _Id, sa.ForeignKey("incident.id"), primary_key=True),
        sa.Column("fingerprint", sa.String(16), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("evidence", sa.Text),
    )
    op.create_table(
        "incident_event",
        sa.Column("incident_id", _Id, sa.ForeignKey("incident.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_table(
        "incident_label",
        sa.Column("incident_id", _Id, sa.ForeignKey("incident.id"), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
    )
    op.create_index("incident_by_label", "incident_label", ["name", "value", "incident_id"])


def downgrade() -> None:
    for table in ("incident_label", "incident_event", "incident_alert", "incident"):
        op.drop_table(table)
