"""The samples a Prometheus has stored, as they were scraped, page by page.

Raw samples come from range selectors of instant queries (`metric[5m]`), which know no limit of points per series, keep
the scrapes' own times and leave gaps as they are. With a step, `query_range` thins them instead, within its limit of
11,000 points a series. A page is as long as its answer stays moderate: its span grows and shrinks with the samples that
came, and where the server says that a query loads too many samples or takes too long, half the span is asked again.
One query runs at a time; a server that is busy (429, 503) is given the time it asks for.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import numpy as np

from aiops.backtest.history import Piece
from aiops.errors import InputError
from aiops.metrics.series import Labels, canonical
from aiops.metrics.table_file import order_of_time

POINTS_MAX = 11_000  # per series of a query_range: Prometheus refuses more
SAMPLES_AIM, SAMPLES_MAX = 300_000, 1_000_000  # of one answer: aimed at; beyond, it is asked for in halves
SPAN_MIN_S, SPAN_MAX_S = 1.0, 86_400.0
GROWTH_MAX = 4.0
TRIES, PAUSE_S, PAUSE_MAX_S = 5, 1.0, 30.0  # of a server that is busy or drops the connection
TIMEOUT_S = 150.0  # Prometheus gives up after two minutes by itself
BUSY, TOO_MUCH = (429, 502, 503, 504), (422, 503)
_Body = msgspec.json.Decoder(dict[str, Any])


class PrometheusHistory:
    """`selector` from `start_s` to `end_s`; `headers` go with every request; `step_s` 0: raw samples; `span_first_s`:
    length of the first page; `sleep`: how to wait for a busy server."""

    def __init__(
        self,
        url: str,
        selector: str,
        start_s: float,
        end_s: float,
        step_s: float = 0.0,
        headers: Mapping[str, str] | None = None,
        span_first_s: float = 300.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            self._url = httpx2.URL(url.rstrip("/"))
        except httpx2.InvalidURL as error:
            raise InputError(f"{url} is no URL: {error}") from None
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise InputError(f"{url} is no URL of a Prometheus: write http://host:9090")
        self.name = str(self._url.copy_with(userinfo=b""))
        self._selector, self._start_s, self._end_s, self._step_s = selector, start_s, end_s, step_s
        self._headers, self._sleep, self._span_first_s = dict(headers or {}), sleep, span_first_s

    def pieces(self) -> Iterator[Piece]:
        """Page by page. Raises InputError where the server cannot be asked or refuses."""
        yield from self._pages(self._selector)

    def pieces_of(self, wanted: Sequence[Labels]) -> Iterator[Piece]:
        """Series after series: their selectors would be too long for one query."""
        for labels in wanted:
            yield from self._pages(selector_of(labels))

    def _pages(self, selector: str) -> Iterator[Piece]:
        with httpx2.Client(base_url=self._url, headers=self._headers, timeout=TIMEOUT_S) as client:
            at, span_s = self._start_s, self._span_first_s
            longest = min(SPAN_MAX_S, (POINTS_MAX - 1) * self._step_s) if self._step_s else SPAN_MAX_S
            while at < self._end_s:
                span_s = min(span_s, longest, self._end_s - at)
                result = self._page(client, selector, at, span_s)
                count = sum(len(one["values"]) for one in result or ())
                if result is None or (count > SAMPLES_MAX and span_s > SPAN_MIN_S):
                    if span_s <= SPAN_MIN_S:
                        raise InputError(
                            f"{self.name}: {selector} is too much even for {span_s:g} s; choose fewer series"
                        )
                    span_s = max(span_s / 2, SPAN_MIN_S)
                    continue
                at += span_s
                yield _piece(result, (at - self._start_s) / (self._end_s - self._start_s))
                span_s *= min(max(SAMPLES_AIM / max(count, 1), 1 / GROWTH_MAX), GROWTH_MAX)

    def _page(
        self, client: httpx2.Client, selector: str, at: float, span_s: float
    ) -> Sequence[Mapping[str, Any]] | None:
        """What lies after `at` up to its end; None: too much for one query."""
        if self._step_s:
            path, first = "/api/v1/query_range", at + self._step_s
            query = {
                "query": selector,
                "start": f"{first:.3f}",
                "end": f"{at + span_s:.3f}",
                "step": f"{self._step_s:g}",
            }
        else:
            path = "/api/v1/query"
            query = {"query": f"{selector}[{max(round(span_s * 1000), 1)}ms]", "time": f"{at + span_s:.3f}"}
        for left in reversed(range(TRIES)):
            try:
                reply = client.post(path, data=query)
            except httpx2.TransportError as error:
                if left and not isinstance(error, httpx2.ConnectError):
                    self._sleep(PAUSE_S * 2 ** (TRIES - 1 - left))
                    continue
                raise InputError(
                    f"{self.name} does not answer as a Prometheus: {error or type(error).__name__}"
                ) from None
            if reply.status_code in TOO_MUCH and any(
                words in reply.text for words in ("too many samples", "timed out")
            ):
                return None
            if reply.status_code not in BUSY or not left:
                return self._result(reply, query["query"])
            self._sleep(_pause_s(reply, TRIES - 1 - left))
        raise AssertionError("the last try returns or raises")

    def _result(self, reply: httpx2.Response, query: str) -> Sequence[Mapping[str, Any]]:
        if reply.status_code in (401, 403):
            raise InputError(
                f"{self.name} does not let us in ({reply.status_code}): give --bearer-file FILE or --header NAME:VALUE"
            )
        if reply.is_redirect:
            raise InputError(f"{self.name} points elsewhere: use {reply.headers.get('location', 'that address')}")
        try:
            found = _Body.decode(reply.content)
        except msgspec.MsgspecError:
            said = reply.text.strip()[:100] or "nothing"
            raise InputError(
                f"{self.name} does not answer as a Prometheus: status {reply.status_code}, {said!r}"
            ) from None
        if reply.status_code != 200 or found.get("status") != "success":
            raise InputError(f"{self.name} refuses {query}: {found.get('error', reply.status_code)}")
        return list(found["data"]["result"])


def headers_of(given: Sequence[str], bearer_file: Path | None) -> dict[str, str]:
    """`NAME: VALUE` texts and the token in a file, as headers. Raises InputError."""
    headers = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise InputError(f"header {text!r}: write 'NAME: VALUE'")
        headers[name.strip()] = value.strip()
    if bearer_file:
        try:
            headers["Authorization"] = f"Bearer {bearer_file.read_text().strip()}"
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{bearer_file} cannot be read: {error}") from None
    return headers


def selector_of(labels: Labels) -> str:
    """A selector for one series: Prometheus knows no other with these labels unless it has more of them."""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{pairs}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _pause_s(reply: httpx2.Response, tried: int) -> float:
    asked = reply.headers.get("retry-after", "")
    return min(float(asked) if asked.isdecimal() else PAUSE_S * 2**tried, PAUSE_MAX_S)


def _piece(result: Sequence[Mapping[str, Any]], done: float) -> Piece:
    labels = [canonical(one["metric"]) for one in result]
    sizes = [len(one["values"]) for one in result]
    pairs = [pair for one in result for pair in one["values"]]
    series = np.repeat(np.arange(len(labels)), sizes)
    time_ms = np.array([round(float(time_s) * 1000) for time_s, _ in pairs], np.int64)
    values = np.array([float(value) for _, value in pairs], np.float64)
    order = order_of_time(time_ms)
    return Piece(labels, series[order], time_ms[order], values[order], done)
