"""The tables. What is searched is a column; what is only read back is one JSON document per alert."""

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")

incident = Table(
    "incident",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("entities", JSON, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("detected_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("alert_count", Integer, nullable=False),
    Column("resolution", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("lead", String(16), nullable=False, server_default=""),  # fingerprint of the alert in the title
    Index("incident_by_time", "started_ms", "id"),
    Index("incident_by_state", "state", "started_ms", "id"),
)

alert = Table(
    "incident_alert",
    metadata,
    Column("incident_id", _Id, ForeignKey("incident.id"), primary_key=True),
    Column("fingerprint", String(16), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    Column("evidence", Text),  # the samples around the alert, as JSON text: large, read one at a time
    Index("incident_alert_by_series", "fingerprint", "incident_id"),  # what else this series was in
)

event = Table(
    "incident_event",
    metadata,
    Column("incident_id", _Id, ForeignKey("incident.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", String(32), nullable=False),
    Column("why", Text, nullable=False),
)

label = Table(  # every label of every alert, for filters
    "incident_label",
    metadata,
    Column("incident_id", _Id, ForeignKey("incident.id"), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("value", Text, primary_key=True),
    Index("incident_by_label", "name", "value", "incident_id"),
)

ticket = Table(  # texts without personal data; what was taken out is only in `sealed`, encrypted
    "ticket",
    metadata,
    Column("number", _Id, primary_key=True, autoincrement=True),
    Column("tenant", String(200), nullable=False),
    Column("ticket_id", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("requester_key", String(64), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("triage", JSON, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("decided", JSON, nullable=False),
    Column("category", String(200), nullable=False),
    Column("urgency", String(200), nullable=False),
    Column("priority", String(200), nullable=False),
    Column("team", String(200), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("first_response_ms", BigInteger),
    Column("assigned_ms", BigInteger),
    Column("resolved_ms", BigInteger),
    Column("closed_ms", BigInteger),
    Column("reassigned", Integer, nullable=False),
    Column("reopened", Integer, nullable=False),
    Column("resolution", Text, nullable=False),
    Index("ticket_by_id", "tenant", "ticket_id", unique=True),
    Index("ticket_by_time", "created_ms", "number"),
    Index("ticket_by_tenant", "tenant", "created_ms", "number"),
    Index("ticket_by_team", "team", "state"),
    Index("ticket_by_requester", "requester_key"),
    sqlite_autoincrement=True,  # the number of a deleted ticket is not given again
)

ticket_event = Table(
    "ticket_event",
    metadata,
    Column("ticket_number", _Id, ForeignKey("ticket.number"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", String(32), nullable=False),
    Column("why", Text, nullable=False),
    Column("field", String(32), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
)

ticket_incident = Table(  # which incidents a ticket likely belongs to
    "ticket_incident",
    metadata,
    Column("ticket_number", _Id, ForeignKey("ticket.number"), primary_key=True),
    Column("incident_id", _Id, ForeignKey("incident.id"), primary_key=True),
    Column("score", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ticket_incident_by_incident", "incident_id", "ticket_number"),
)
