"""A refused body over real connections: the client that is still sending gets its answer."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from aiops.config import Settings
from aiops.demo import running_server

MB = 1024 * 1024


@contextmanager
def server(settings: Settings, **limits: float) -> Iterator[str]:
    settings.server.data_dir.mkdir(parents=True, exist_ok=True)
    update = {"port": 0, "body_bytes_max": 1000} | limits
    with running_server(settings.model_copy(update={"server": settings.server.model_copy(update=update)})) as url:
        yield url


def connect(url: str, *headers: str) -> socket.socket:
    """A connection that has sent the head of a write."""
    place = urlsplit(url)
    assert place.hostname and place.port
    connection = socket.create_connection((place.hostname, place.port), timeout=60)
    head = ["POST /api/v1/write HTTP/1.1", "Host: x", "Content-Length: 40000000", *headers]
    connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
    return connection


def read_reply(connection: socket.socket) -> bytes:
    """The head and the body of the reply."""
    data = b""
    while not data.endswith(b"}"):
        data += (more := connection.recv(65536))
        assert more, data
    return data


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/api/v1/write", "application/x-protobuf", 413),
        ("/v1/samples", "application/json", 413),
        ("/v1/samples", "text/csv", 415),
    ],
)
def test_a_client_that_reads_only_after_sending_gets_its_answer(
    settings: Settings, path: str, kind: str, status: int
) -> None:
    """Python's urllib: it asks for the connection to be closed and sends everything before it reads."""
    with server(settings) as url:
        for _ in range(3):
            request = urllib.request.Request(url + path, b"x" * (34 * MB), {"Content-Type": kind})
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request, timeout=60)
            with caught.value as refused:
                assert (refused.code, json.load(refused)["status"]) == (status, status)


def test_the_answer_comes_before_the_body_is_there(settings: Settings) -> None:
    with server(settings) as url, connect(url, "Connection: close") as connection:
        assert b" 413 " in read_reply(connection).split(b"\r\n")[0]
        for _ in range(40):
            connection.sendall(b"x" * 1_000_000)
        assert connection.recv(1) == b""


@pytest.mark.parametrize("limits", [{"drain_bytes_max": 100_000}, {"drain_s": 0.2}])
def test_no_more_is_read_of_a_refused_body_than_the_limits_say(settings: Settings, limits: dict[str, float]) -> None:
    with server(settings, **limits) as url, connect(url, "Connection: close") as connection:
        read_reply(connection)
        if "drain_bytes_max" in limits:
            with pytest.raises(ConnectionError):  # the body has 40 MB
                for _ in range(40):
                    connection.sendall(b"x" * 1_000_000)
        else:
            assert connection.recv(1) == b""  # cut though nothing was sent


def test_who_waits_for_our_word_is_not_waited_for(settings: Settings) -> None:
    with server(settings) as url, connect(url, "Connection: close", "Expect: 100-continue") as connection:
        assert b" 413 " in read_reply(connection).split(b"\r\n")[0]
        connection.settimeout(5)
        assert connection.recv(1) == b""


def test_a_connection_that_stays_is_used_again(settings: Settings) -> None:
    with server(settings) as url, connect(url) as connection:
        assert b" 413 " in read_reply(connection).split(b"\r\n")[0]
        for _ in range(40):
            connection.sendall(b"x" * 1_000_000)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"alive" in read_reply(connection)
