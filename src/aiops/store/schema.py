"""The tables. What is searched is a column; what is only read back is one JSON document per alert."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

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
