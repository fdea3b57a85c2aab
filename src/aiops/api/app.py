"""The HTTP API. Routes parse, call the service and render; errors become problem+json in one place."""

import asyncio
import signal
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp

import aiops
from aiops.api import schemas as shapes
from aiops.api.gate import WRITE_PATH, BodyTooLargeError, Gate
from aiops.api.problem import only_known_parameters, problem, problem_of, problem_of_validation
from aiops.api.tickets import add_tickets
from aiops.api.triage import add_triage
from aiops.api.writes import Writes
from aiops.desk import Desk
from aiops.errors import AiopsError, InputError, NotFoundError, TooLargeError
from aiops.incidents.incident import Incident, State, incident_number
from aiops.incidents.severity import Severity
from aiops.intake import Intake
from aiops.metrics.series import parse_matchers
from aiops.metrics.timestamp import timestamp_ms
from aiops.past import FOLDER
from aiops.service import Service
from aiops.store.incident_store import Evidence, IncidentFilter
from aiops.store.team_history import StoredTeamHistory
from aiops.store.ticket_links import TicketLinks
from aiops.store.ticket_store import TicketStore
from aiops.ticket_linking import TicketLinking

PAGE_MAX = 500
SAMPLES_MAX = 10_000
log = structlog.get_logger(__name__)
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": shapes.Problem, "content": {"application/problem+json": {}}} for code in (400, 401, 404, 409)
}
_WRITE_PROBLEMS: dict[int | str, dict[str, Any]] = dict.fromkeys((400, 401, 413, 415, 503), _PROBLEMS[400])
_SAMPLE_EXAMPLE = {
    "samples": [
        {"series": 'latency_ms{service="checkout"}', "timestamp": "2026-01-31T12:00:00Z", "value": 51.2},
        {"labels": {"__name__": "latency_ms", "service": "web"}, "timestamp": 1769860800, "value": 48.9},
    ]
}
_WRITE_BODY = {
    "requestBody": {
        "required": True,
        "description": "a snappy block of a protobuf prometheus.WriteRequest",
        "content": {"application/x-protobuf": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_SAMPLES_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object"}, "example": _SAMPLE_EXAMPLE},
            "application/x-ndjson": {"schema": {"type": "string"}, "example": '{"series": "cpu", "value": 0.7}\n'},
        },
    }
}


def create_app(service: Service, desk: Desk | None = None) -> ASGIApp:
    """The application; service and desk are started with it, in the background, and the service is stopped with it."""
    writes = Writes(service)
    folder = service.settings.server.data_dir / FOLDER
    desk = desk or Desk(service.settings.tickets, service.settings.topology.depends_on, service.clock, folder)
    engine = service.store.engine
    desk.team_history = StoredTeamHistory(engine, service.settings.tickets.team_history_s, service.clock)
    linking = TicketLinking(service.settings.topology, TicketLinks(engine))
    intake = Intake(service.settings, TicketStore(engine), desk, service.clock, linking, desk)

    def start() -> None:
        with ThreadPoolExecutor(1, "desk") as loading:
            models = loading.submit(desk.start)
            service.start()
            models.result()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        starting = asyncio.get_running_loop().run_in_executor(None, start)
        starting.add_done_callback(_stop_if_failed)
        yield
        await asyncio.wait([starting])
        writes.close()
        desk.stop()
        service.stop()

    key = HTTPBearer(auto_error=False, description="one of server.api_keys")  # the gate checks; this tells the reader
    app = FastAPIOffline(  # its documentation pages need no other host
        title="aiops",
        version=aiops.__version__,
        summary="Streaming anomaly detection, candidate incidents and ticket triage",
        lifespan=lifespan,
        dependencies=[Depends(only_known_parameters), *([Depends(key)] if service.settings.server.api_keys else [])],
        openapi_tags=[
            {"name": "samples", "description": "metrics in, scores out"},
            {"name": "incidents", "description": "what was found, and what people decide"},
            {"name": "tickets", "description": "text in, triage out"},
            {"name": "series", "description": "what the service knows of each series"},
            {"name": "service", "description": "its own health"},
        ],
    )
    _add_errors(app)
    _add_samples(app, writes)
    _add_incidents(app, service, intake)
    add_triage(app, desk, _WRITE_PROBLEMS)
    add_tickets(app, intake, {**_PROBLEMS, **_WRITE_PROBLEMS})
    _add_series(app, service)
    _add_service(app, service, desk)
    _forget_422(app)
    return Gate(app, writes.remote_write, service)


def _stop_if_failed(starting: "Future[None] | asyncio.Future[None]") -> None:
    error = starting.exception()
    if error is not None:
        log.critical("start_failed", reason=f"{type(error).__name__}: {error}")
        signal.raise_signal(signal.SIGTERM)


def _forget_422(app: FastAPI) -> None:
    """Out of the documentation: what does not fit its shape is answered 400 here."""
    document = app.openapi()
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(AiopsError)
    async def ours(_: Request, error: AiopsError) -> Response:
        return problem_of(error)

    @app.exception_handler(Exception)
    async def bug(request: Request, _: Exception) -> Response:  # the gate logs it
        return problem(500, "Internal error", "this is a bug; the log says more under the x-request-id of this reply")

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return problem_of_validation(request, error)

    @app.exception_handler(BodyTooLargeError)
    async def too_large(_: Request, error: BodyTooLargeError) -> Response:
        return problem_of(TooLargeError(error.detail))

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        detail = f"{request.method} {request.url.path}: {error.detail}; see /docs"
        return problem(error.status_code, str(error.detail), detail, dict(error.headers or {}))


def _add_samples(app: FastAPI, writes: Writes) -> None:
    @app.post(WRITE_PATH, tags=["samples"], status_code=204, responses=_WRITE_PROBLEMS, openapi_extra=_WRITE_BODY)
    async def remote_write() -> None:
        """Prometheus remote write 1.0: `remote_write: [{url: http://.../api/v1/write}]`.

        204 all taken; 400 some or all refused for good (what was accepted stays, `refused` counts the rest by reason);
        413, 415; 503 with Retry-After: send it again.
        """
        raise AssertionError("the gate takes these requests before they come here; this stands for the documentation")

    @app.post(
        "/v1/samples",
        tags=["samples"],
        response_model=shapes.SamplesReply,
        responses=_WRITE_PROBLEMS,
        openapi_extra=_SAMPLES_BODY,
    )
    async def post_samples(
        request: Request,
        reply: Annotated[str, Query(description="samples, or summary: without the list")] = "samples",
    ) -> Response:
        """Scores samples as they come: JSON or NDJSON, gzip allowed. `?reply=summary` leaves the list out.

        Each sample gets `score` (0..1, null while warming up), `expected`, `lower`, `upper`, `anomalous`, `alert` (the
        score at the onset of an anomaly, else 0), `kind`, the `incident` it belongs to, and `refused` with a reason
        where it was not taken. A sample without `timestamp` is of now; one whose value is null or NaN is accepted as a
        known gap (`status` not_finite) and not scored. Samples of one series must come in order of time. Prometheus
        writes to /api/v1/write.
        """
        return await writes.json_samples(request, reply)


def _add_incidents(app: FastAPI, service: Service, intake: Intake) -> None:
    def whole(incident: Incident, evidence: Evidence) -> shapes.IncidentDetail:
        tickets = intake.tickets_of(incident.incident_id)
        return shapes.detail(incident, evidence, service.past(incident), service.now_ms, tickets)

    def decided(incident: Incident) -> shapes.IncidentDetail:
        return whole(incident, service.incident(incident.incident_id)[1])

    @app.get("/v1/incidents", tags=["incidents"], response_model=shapes.IncidentPage, responses={400: _PROBLEMS[400]})
    def list_incidents(
        state: Annotated[list[shapes.StateName], Query(description="any of these")] = [],  # noqa: B006
        severity: Annotated[shapes.SeverityName | None, Query(description="at least this")] = None,
        label: Annotated[list[str], Query(description="name=value carried by an alert; all must hold")] = [],  # noqa: B006
        since: Annotated[str | None, Query(description="started at or after: ISO 8601 or epoch")] = None,
        until: Annotated[str | None, Query(description="started before")] = None,
        q: Annotated[str, Query(description="text in the title", max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        cursor: Annotated[str | None, Query(description="next_cursor of the page before")] = None,
    ) -> dict[str, Any]:
        """Incidents, newest first."""
        wanted = IncidentFilter(
            states=[State(name) for name in state],
            severity_min=Severity[severity.upper()] if severity else None,
            labels=[_pair(text) for text in label],
            since_ms=timestamp_ms(since) if since else None,
            until_ms=timestamp_ms(until) if until else None,
            text=q,
        )
        page = service.incidents(wanted, limit, cursor)
        return {
            "items": [shapes.summary(incident, service.now_ms) for incident in page.items],
            "next_cursor": page.cursor,
        }

    @app.get("/v1/incidents/{incident_id}", tags=["incidents"], responses=_PROBLEMS)
    def get_incident(incident_id: str) -> shapes.IncidentDetail:
        """One incident with its alerts, the samples around each of them, its timeline and the tickets about it."""
        return whole(*service.incident(_number(incident_id)))

    @app.post("/v1/incidents/{incident_id}/confirm", tags=["incidents"], responses=_PROBLEMS)
    def confirm(incident_id: str, body: shapes.Confirm | None = None) -> shapes.IncidentDetail:
        """It is real: a candidate becomes open."""
        body = body or shapes.Confirm()
        return decided(service.confirm(_number(incident_id), body.who, body.note))

    @app.post("/v1/incidents/{incident_id}/dismiss", tags=["incidents"], responses=_PROBLEMS)
    def dismiss(incident_id: str, body: shapes.Dismiss) -> shapes.IncidentDetail:
        """It is none; the same series stay quiet for `dismissed_quiet_s`."""
        return decided(service.dismiss(_number(incident_id), body.who, body.reason))

    @app.post("/v1/incidents/{incident_id}/resolve", tags=["incidents"], responses=_PROBLEMS)
    def resolve(incident_id: str, body: shapes.Resolve) -> shapes.IncidentDetail:
        """It is mended, and how."""
        return decided(service.resolve(_number(incident_id), body.who, body.resolution, body.cause))


def _add_series(app: FastAPI, service: Service) -> None:
    @app.get("/v1/series", tags=["series"], response_model=shapes.SeriesPage, responses={400: _PROBLEMS[400]})
    def list_series(
        match: Annotated[
            str, Query(description='selector, e.g. up{job="node",instance=~"db.*"}', max_length=2000)
        ] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
        cursor: str | None = None,
    ) -> shapes.SeriesPage:
        """Series whose labels match."""
        if cursor is not None and not cursor.isdecimal():
            raise InputError(f"cursor {cursor!r} is none of ours: take it from next_cursor as it is")
        page, following = service.series(parse_matchers(match), int(cursor or 0), limit)
        items = [shapes.SeriesView.of(info) for info in page]
        return shapes.SeriesPage(items=items, next_cursor=None if following is None else str(following))

    @app.get("/v1/series/{series_id}/samples", tags=["series"], responses=_PROBLEMS)
    def get_samples(
        series_id: int,
        start: Annotated[str | None, Query(description="ISO 8601 or epoch")] = None,
        end: str | None = None,
        limit: Annotated[int, Query(ge=1, le=SAMPLES_MAX)] = 1000,
    ) -> shapes.SeriesSamples:
        """The newest samples of one series with their scores and expected bands."""
        info = service.series_info(series_id)
        first, last = timestamp_ms(start) if start else 0, timestamp_ms(end) if end else 2**62
        samples = [shapes.Sample(**record) for record in service.series_samples(series_id, first, last, limit)]
        return shapes.SeriesSamples(**shapes.SeriesView.of(info).model_dump(), samples=samples)


def _add_service(app: FastAPI, service: Service, desk: Desk) -> None:
    @app.get("/", include_in_schema=False)
    async def root() -> Response:
        return RedirectResponse("/docs")

    @app.get("/healthz", tags=["service"])
    async def alive() -> dict[str, str]:
        """The process is alive."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["service"], responses={503: {"model": shapes.Problem}}, response_model=dict[str, str])
    async def ready() -> Response:
        """Samples are taken, and tickets where the models are sound."""
        if not service.is_ready or desk.is_loading:
            return problem(503, "Not now", "the service is starting or stopping", {"Retry-After": "1"})
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", tags=["service"], response_class=Response)
    async def metrics() -> Response:
        """What the service tells about itself, in Prometheus' text format."""
        service.observation.series.set(service.table.series_count)
        return Response(service.observation.text(), media_type="text/plain; version=0.0.4")


def _number(name: str) -> int:
    number = incident_number(name)
    if number is None:
        raise NotFoundError(f"no incident {name!r}; ids look like INC-12")
    return number


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"label {text!r}: write name=value")
    return name, value
