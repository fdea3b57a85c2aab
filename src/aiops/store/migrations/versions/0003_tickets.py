"""Tickets with their timeline, and the incidents they belong to."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "ticket",
        sa.Column("number", _Id, primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("ticket_id", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("requester_key", sa.String(64), nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("attributes", sa.JSON, nullable=False),
        sa.Column("triage", sa.JSON, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("decided", sa.JSON, nullable=False),
        sa.Column("category", sa.String(200), nullable=False),
        sa.Column("urgency", sa.String(200), nullable=False),
        sa.Column("priority", sa.String(200), nullable=False),
        sa.Column("team", sa.String(200), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("first_response_ms", sa.BigInteger),
        sa.Column("assigned_ms", sa.BigInteger),
        sa.Column("resolved_ms", sa.BigInteger),
        sa.Column("closed_ms", sa.BigInteger),
        sa.Column("reassigned", sa.Integer, nullable=False),
        sa.Column("reopened", sa.Integer, nullable=False),
        sa.Column("resolution", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ticket_by_id", "ticket", ["tenant", "ticket_id"], unique=True)
    op.create_index("ticket_by_time", "ticket", ["created_ms", "number"])
    op.create_index("ticket_by_tenant", "ticket", ["tenant", "created_ms", "number"])
    op.create_index("ticket_by_team", "ticket", ["team", "state"])
    op.create_index("ticket_by_requester", "ticket", ["requester_key"])
    op.create_table(
        "ticket_event",
        sa.Column("ticket_number", _Id, sa.ForeignKey("ticket.number"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("field", sa.String(32), nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
    )
    op.create_table(
        "ticket_incident",
        sa.Column("ticket_number", _Id, sa.ForeignKey("ticket.number"), primary_key=True),
        sa.Column("incident_id", _Id, sa.ForeignKey("incident.id"), primary_key=True),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("ticket_incident_by_incident", "ticket_incident", ["incident_id", "ticket_number"])


def downgrade() -> None:
    for table in ("ticket_incident", "ticket_event", "ticket"):
        op.drop_table(table)
