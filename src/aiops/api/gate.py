"""The gate every request passes: API key, request id, counts and times, and the last net for what nobody caught."""

import hashlib
import hmac
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiops.api.problem import problem
from aiops.service import Service

WRITE_PATH = "/api/v1/write"
OPEN_PATHS = ("/healthz", "/readyz")
log = structlog.get_logger(__name__)


class Gate:
    """A plain ASGI wrapper: it reads headers and never touches bodies. Remote writes, the many, go straight to
    `remote_write` and pass none of the application's layers."""

    def __init__(self, app: ASGIApp, remote_write: ASGIApp, service: Service) -> None:
        self._app, self._remote_write, self._observation = app, remote_write, service.observation
        keys = service.settings.server.api_keys
        self._digests = [hashlib.sha256(key.get_secret_value().encode()).digest() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id", "")[:64] or uuid.uuid4().hex[:16]

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            if self._digests and scope["path"] not in OPEN_PATHS and not self._is_known(headers):
                detail = "send one of server.api_keys as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
                refusal = problem(401, "API key needed", detail, {"WWW-Authenticate": "Bearer"})
                await refusal(scope, receive, answer)
            elif scope["path"] == WRITE_PATH and scope["method"] == "POST":
                await self._remote_write(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        except Exception:  # outermost loop: a bug answers 500 and is logged, the process stays up
            log.exception("request_failed", request_id=request_id, method=scope["method"], path=scope["path"])
            if not status:
                response = problem(500, "Internal error", "this is a bug; the log says more")
                await response(scope, receive, answer)
        finally:
            is_write = scope["path"] == WRITE_PATH
            # the route's template: ids in paths would be endless
            route = WRITE_PATH if is_write else getattr(scope.get("route"), "path", "other")
            self._observation.requests.labels(scope["method"], route, str(status)).inc()
            self._observation.request_seconds.labels(route).observe(time.perf_counter() - started)

    def _is_known(self, headers: Headers) -> bool:
        sent = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        digest = hashlib.sha256(sent.strip().encode()).digest()
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0  # looks at every key: no timing
