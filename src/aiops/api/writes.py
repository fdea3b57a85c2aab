"""The two ways samples come in by HTTP. Bodies are read under a limit, work waits in one short line, and one thread
does it, so that the event loop stays free for readers while the compiled code runs without Python's lock."""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aiops.api.problem import problem, problem_of
from aiops.errors import AiopsError, InputError, MediaTypeError, OverloadError, TooLargeError
from aiops.metrics.write_result import WriteResult
from aiops.service import Outcome, Service

PROTOBUF, JSON, NDJSON = "application/x-protobuf", "application/json", "application/x-ndjson"
REMOTE_WRITE_1 = "prometheus.WriteRequest"


class Writes:
    """Runs writes one after another; at most `in_flight_max` wait, the rest is told to come back."""

    def __init__(self, service: Service) -> None:
        self._service = service
        server = service.settings.server
        self._body_bytes_max, self._in_flight_max = server.body_bytes_max, server.in_flight_max
        self._thread = ThreadPoolExecutor(1, "ingest")
        self._in_flight = 0

    def close(self) -> None:
        """Waits for the write at work."""
        self._thread.shutdown()

    async def run(self, work: Callable[[], Outcome]) -> Outcome:
        """Raises OverloadError where too many writes wait, and whatever `work` raises."""
        if self._in_flight >= self._in_flight_max:
            raise OverloadError(f"{self._in_flight} writes are waiting (in_flight_max); send this again in a moment")
        self._in_flight += 1
        self._service.observation.in_flight.set(self._in_flight)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._in_flight -= 1
            self._service.observation.in_flight.set(self._in_flight)

    async def body(self, receive: Receive, headers: Headers) -> bytes:
        """The request's body as sent. Raises TooLargeError as soon as it is known to be too large."""
        limit = self._body_bytes_max
        said = headers.get("content-length", "")
        if said.isdecimal() and int(said) > limit:
            raise TooLargeError(f"the body has {said} bytes, more than body_bytes_max = {limit}")
        chunks, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise TooLargeError(f"the body has more than body_bytes_max = {limit} bytes")
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def remote_write(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /api/v1/write, as a plain ASGI application: nothing stands between the bytes and the decoder."""
        headers = Headers(scope=scope)
        try:
            _check_remote_write(headers)
            body = await self.body(receive, headers)
            outcome = await self.run(lambda: self._service.ingest_remote_write(body))
            response = _refusal(outcome.result) if outcome.result.refused else Response(status_code=204)
        except AiopsError as error:
            response = problem_of(error)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def json_samples(self, request: Request, with_samples: str) -> Response:
        """POST /v1/samples; `with_samples`: samples or summary. Raises InputError, TooLargeError, MediaTypeError,
        OverloadError."""
        is_ndjson = _json_kind(request.headers)
        if with_samples not in ("samples", "summary"):
            raise InputError(f"reply={with_samples!r}: samples or summary")
        body = self._unpacked(await self.body(request.receive, request.headers), request.headers)
        work = lambda: self._service.ingest_json(body, is_ndjson, with_samples == "samples")  # noqa: E731
        outcome = await self.run(work)
        result = outcome.result
        if result.refused and not result.accepted:
            return _refusal(result, samples=outcome.samples)
        reply: dict[str, Any] = {"accepted": result.accepted, "refused": _counts(result)}
        if with_samples == "samples":
            reply["samples"] = outcome.samples
        return Response(msgspec.json.encode(reply), media_type=JSON)

    def _unpacked(self, body: bytes, headers: Headers) -> bytes:
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding == "identity":
            return body
        if encoding != "gzip":
            raise MediaTypeError(f"content-encoding {encoding!r}: send gzip or none")
        unpacker = zlib.decompressobj(wbits=31)
        try:
            out = unpacker.decompress(body, self._body_bytes_max + 1)
        except zlib.error as error:
            raise InputError(f"the body is not gzip: {error}") from None
        if len(out) > self._body_bytes_max:
            raise TooLargeError(f"the body unpacks to more than body_bytes_max = {self._body_bytes_max} bytes")
        if not unpacker.eof:
            raise InputError("the gzip body ends early")
        return out


def _check_remote_write(headers: Headers) -> None:
    """Remote write 1.0 or nothing; missing headers mean 1.0. Raises MediaTypeError."""
    kind, parameters = _media_type(headers.get("content-type", PROTOBUF))
    if kind != PROTOBUF or parameters.get("proto", REMOTE_WRITE_1) != REMOTE_WRITE_1:
        raise MediaTypeError(
            f"content-type {headers.get('content-type')!r}: send {PROTOBUF} with {REMOTE_WRITE_1} (remote write 1.0)"
        )
    encoding = headers.get("content-encoding", "snappy").strip().lower()
    if encoding != "snappy":
        raise MediaTypeError(f"content-encoding {encoding!r}: send snappy")


def _json_kind(headers: Headers) -> bool:
    """Whether NDJSON was sent. Raises MediaTypeError where it is neither that nor JSON."""
    kind, _ = _media_type(headers.get("content-type", JSON))
    if kind not in (JSON, NDJSON, "application/jsonl", "text/json"):
        raise MediaTypeError(f"content-type {kind!r}: send {JSON} or {NDJSON}")
    return kind in (NDJSON, "application/jsonl")


def _media_type(text: str) -> tuple[str, Mapping[str, str]]:
    kind, *parts = (part.strip() for part in text.split(";"))
    pairs = (part.partition("=") for part in parts)
    return kind.lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _counts(result: WriteResult) -> dict[str, int]:
    return {reason.value: count for reason, count in result.refused.items()}


def _refusal(result: WriteResult, **more: Any) -> Response:
    """400 for what will not get better by sending it again; what was accepted stays."""
    sentences = "; ".join(result.first.values())
    samples = "sample" if result.accepted == 1 else "samples"
    detail = f"{result.accepted} {samples} accepted, {result.refused_count} refused: {sentences}"
    return problem(400, "Samples refused", detail, accepted=result.accepted, refused=_counts(result), **more)
