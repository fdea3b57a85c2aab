"""Opening the database and bringing its tables up to date; what is particular to SQLite stands here and only here."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url

from aiops.errors import SettingsError

_SQLITE = {"check_same_thread": False, "timeout": 30}


def open_database(url: str) -> Engine:
    """An engine with all migrations applied. Raises SQLAlchemyError where the database cannot be reached, SettingsError
    where its driver is not installed."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args=_SQLITE, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
    else:
        try:
            engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
        except ModuleNotFoundError as error:
            extra = "pip install 'aiops[postgres]'" if error.name == "psycopg" else f"install {error.name}"
            raise SettingsError(f"store.url needs the driver {error.name}: {extra}") from None
    upgrade(engine)
    return engine


def upgrade(engine: Engine) -> None:
    """Applies the migrations that are missing."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def empty_log(engine: Engine) -> None:
    """What was deleted is gone from the write-ahead log too, as far as no reader needs it; nothing but for SQLite."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # readers do not wait for the writer
    cursor.execute("PRAGMA synchronous=FULL")  # a stored incident survives power loss
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten
    cursor.close()
