"""Runs the application until it is told to stop. One process owns a data folder at a time."""

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from aiops.api.app import create_app
from aiops.config import Settings
from aiops.errors import SettingsError
from aiops.service import Service
from aiops.store.database import open_database
from aiops.store.incident_store import IncidentStore

KEEP_ALIVE_S = 75


@contextmanager
def data_folder(settings: Settings) -> Iterator[None]:
    """Makes the data folder and holds it. Raises SettingsError where another process does, or it cannot be made."""
    folder = settings.server.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise SettingsError(f"server.data_dir = {folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"server.data_dir = {folder} is in use by another aiops; give each its own") from None
        yield


def make_server(settings: Settings) -> uvicorn.Server:
    """A server ready to run, with its own service. Raises SQLAlchemyError where the store cannot be opened."""
    service = Service(settings, IncidentStore(open_database(settings.store_url)))
    config = uvicorn.Config(
        create_app(service),
        host=settings.server.host,
        port=settings.server.port,
        log_config=None,
        access_log=False,  # counted at /metrics instead
        timeout_keep_alive=KEEP_ALIVE_S,
        server_header=False,
    )
    return uvicorn.Server(config)


def listen(settings: Settings) -> socket.socket:
    """The listening socket, so that port 0 can be told before the server runs. Raises SettingsError."""
    host, port = settings.server.host, settings.server.port
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512
        )
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}") from None
