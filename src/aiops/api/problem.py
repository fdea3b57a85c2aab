"""Errors -> RFC 9457 problem+json: one table from our error tree to a status and a title."""

from typing import Any

import msgspec
from starlette.responses import Response

from aiops.errors import (
    AiopsError,
    ConflictError,
    InputError,
    MediaTypeError,
    NotFoundError,
    OverloadError,
    TooLargeError,
)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1

_TABLE: tuple[tuple[type[AiopsError], int, str], ...] = (  # the first that fits
    (TooLargeError, 413, "Too large"),
    (MediaTypeError, 415, "Media type not read here"),
    (InputError, 400, "Input cannot be understood"),
    (NotFoundError, 404, "Not found"),
    (ConflictError, 409, "Not in this state"),
    (OverloadError, 503, "Not now"),
    (AiopsError, 500, "Internal error"),
)


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """A reply that says what is wrong, where, and what to do about it."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


def problem_of(error: AiopsError) -> Response:
    """The reply for one of our errors."""
    status, title = next((status, title) for kind, status, title in _TABLE if isinstance(error, kind))
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return problem(status, title, str(error), headers)
