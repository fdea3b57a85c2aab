"""Paging through a Prometheus: a small real server that keeps Prometheus' own limits."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from aiops.backtest.prometheus import PrometheusHistory, headers_of, selector_of
from aiops.errors import InputError
from aiops.metrics.series import Labels, canonical
from tests.processes import free_port

END_S, STEP_S = 1_000_000, 10
UP = {"__name__": "up", "job": 'a "b"\\'}


class Fake(ThreadingHTTPServer):
    """One series, a sample every ten seconds; refuses what a Prometheus refuses."""

    samples_max = 10**9
    token = ""
    busy = 0  # so many requests are answered 429 first
    instead: tuple[int, bytes] | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Fake

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self._answer(*self._reply())

    def _reply(self) -> tuple[int, bytes]:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        query = {name: values[0] for name, values in parse_qs(body).items()}
        fake = self.server
        if fake.instead:
            return fake.instead
        if fake.token and self.headers.get("Authorization") != f"Bearer {fake.token}":
            return 401, b"Unauthorized\n"
        if fake.busy:
            fake.busy -= 1
            return 429, b"later"
        fake.asked.append(query)
        if self.path == "/api/v1/query_range":
            start, end, step = (float(query[key]) for key in ("start", "end", "step"))
            if (end - start) / step > 11_000:
                return 400, _error("exceeded maximum resolution of 11,000 points per timeseries")
            times = [start + k * step for k in range(int((end - start) / step) + 1)]
        else:
            found = re.fullmatch(r"(.*)\[(\d+)ms\]", query["query"])
            assert found
            end, span = float(query["time"]), int(found[2]) / 1000
            first = int((end - span) // STEP_S + 1) * STEP_S
            times = [float(t) for t in range(first, int(end) + 1, STEP_S)]
        if len(times) > fake.samples_max:
            return 422, _error("query processing would load too many samples into memory")
        result = [{"metric": UP, "values": [[t, str(t % 7)] for t in times]}] if times else []
        return 200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(body)


def _error(text: str) -> bytes:
    return json.dumps({"status": "error", "errorType": "execution", "error": text}).encode()


@pytest.fixture
def fake() -> Iterator[Fake]:
    with Fake() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def history(fake: Fake, hours: float = 24, **more: Any) -> PrometheusHistory:
    return PrometheusHistory(fake.url, "up", END_S - 3600 * hours, END_S, **more)


def taken(found: PrometheusHistory) -> list[int]:
    return [time_ms for piece in found.pieces() for time_ms in piece.time_ms.tolist()]


def test_every_sample_comes_once_and_pages_grow_while_there_is_little(fake: Fake) -> None:
    pieces = list(history(fake).pieces())
    times = [time_ms for piece in pieces for time_ms in piece.time_ms.tolist()]
    assert times == [1000 * t for t in range(END_S - 86_400 + STEP_S, END_S + 1, STEP_S)]
    assert len(fake.asked) < 10
    assert [piece.done for piece in pieces] == sorted(piece.done for piece in pieces)
    assert pieces[-1].done == 1.0
    assert {labels for piece in pieces for labels in piece.labels} == {canonical(UP)}


def test_what_is_too_much_is_asked_in_halves(fake: Fake) -> None:
    fake.samples_max = 100
    assert len(taken(history(fake))) == 8640
    fake.samples_max = 0
    with pytest.raises(InputError, match=r"too much even for 1 s"):
        taken(history(fake, hours=1))


def test_a_step_keeps_within_the_points_of_a_query_range(fake: Fake) -> None:
    times = taken(history(fake, hours=24 * 30, step_s=60.0))
    assert times == [1000 * t for t in range(END_S - 30 * 86_400 + 60, END_S + 1, 60)]


def test_a_busy_server_is_given_the_time_it_asks_for(fake: Fake) -> None:
    fake.busy = 2
    slept: list[float] = []
    assert taken(history(fake, hours=0.01, sleep=slept.append))
    assert slept == [7.0, 7.0]
    fake.busy = 99
    with pytest.raises(InputError, match="429"):
        taken(history(fake, hours=0.01, sleep=slept.append))


def test_a_token_opens_and_its_lack_is_said(fake: Fake, tmp_path: Path) -> None:
    fake.token = "s3cret"
    with pytest.raises(InputError, match=r"does not let us in \(401\): give --bearer-file"):
        taken(history(fake))
    (tmp_path / "token").write_text("s3cret\n")
    assert taken(history(fake, headers=headers_of([], tmp_path / "token")))
    assert taken(history(fake, headers=headers_of(["Authorization: Bearer s3cret"], None)))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((400, _error("invalid parameter query: parse error")), "refuses up.*parse error"),
        ((404, b"<html>not here</html>"), "does not answer as a Prometheus: status 404, '<html>not here"),
        ((200, b""), "does not answer as a Prometheus: status 200"),
        ((302, b""), "points elsewhere"),
    ],
)
def test_what_is_wrong_is_one_sentence(fake: Fake, answer: tuple[int, bytes], said: str) -> None:
    fake.instead = answer
    with pytest.raises(InputError, match=said):
        taken(history(fake))


def test_an_unreachable_server_is_named_without_its_password() -> None:
    url = f"http://ann:s3cret@127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match="does not answer as a Prometheus") as error:
        taken(PrometheusHistory(url, "up", 0, 60))
    assert "s3cret" not in str(error.value)


def test_a_series_is_asked_for_by_all_its_labels(fake: Fake) -> None:
    wanted: Labels = canonical(UP)
    assert [piece.labels for piece in history(fake, hours=0.1).pieces_of([wanted])]
    assert fake.asked[0]["query"].startswith(r'{__name__="up",job="a \"b\"\\"}[')
    assert selector_of(canonical({"__name__": "a", "x": "b\nc"})) == '{__name__="a",x="b\\nc"}'
