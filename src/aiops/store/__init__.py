"""What must survive: SQLAlchemy, SQLite by default, PostgreSQL by URL."""
