"""Errors -> RFC 9457 problem+json: one table from our error tree to a status and a title."""

from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from aiops.errors import (
    AiopsError,
    ConflictError,
    InputError,
    MediaTypeError,
    NotFoundError,
    OverloadError,
    SealError,
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
    (SealError, 409, "Stays redacted"),
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


def problem_of_validation(request: Request, error: RequestValidationError) -> Response:
    """The reply for a request that does not fit its route's shape: what is wrong with which part of it."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return problem_of(InputError(f"the body is not JSON: {first['ctx']['error']}, at byte {first['loc'][-1]}"))
    if where != "body":
        return problem(400, "Input cannot be understood", f"{where}: {first['msg']}")
    kind = request.headers.get("content-type", "none").partition(";")[0].strip()
    if first["type"] != "missing" and not kind.endswith("json"):
        return problem_of(MediaTypeError(f"content-type {kind!r}: send application/json"))
    field = getattr(request.scope.get("route"), "body_field", None)
    parts = getattr(field.field_info.annotation, "model_fields", {}) if field else {}
    needed = ", ".join(f'"{name}": "..."' for name, part in parts.items() if part.is_required())
    return problem(400, "Input cannot be understood", f"body: send a JSON object {{{needed}}}")


def only_known_parameters(request: Request) -> None:
    """A dependency of every route that takes query parameters. Raises InputError for one that it does not take: a
    misspelt filter must not silently mean none."""
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    unknown = next((name for name in request.query_params if name not in known), None)
    if known and unknown is not None:
        raise InputError(f"unknown query parameter {unknown!r}; known here: {', '.join(known)}")
