"""Settings: read once, frozen, every limit named with its unit and with what happens at it.

A value comes from `AIOPS_<SECTION>_<KEY>`, else from `aiops.toml`, else from the default below; `Loaded.origin` says
which. A key nobody knows is an error that suggests the right one: a typing mistake must not silently mean the default.
"""

import base64
import difflib
import ipaddress
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from aiops.errors import SettingsError

_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:per|a|an|/)\s*(hour|day|week)\s*")
_DAYS = {"hour": 1 / 24, "day": 1.0, "week": 7.0}


def per_day(rate: str) -> float:
    """`3 per day`, `1 per hour`, `2 per week` as a number a day. Raises ValueError where it is none of these."""
    found = _RATE.fullmatch(rate)
    if not found or float(found[1]) == 0:
        raise ValueError('write a number of alerts and a time: "3 per day", "1 per hour" or "2 per week"')
    return float(found[1]) / _DAYS[found[2]]


def period_days(rate: str) -> float:
    """The time in which a rate is kept, in days: a week for one by the week, else a day."""
    found = _RATE.fullmatch(rate)
    return max(_DAYS[found[2]], 1.0) if found else 1.0


def _rate(rate: object) -> object:
    if not isinstance(rate, str) or rate:
        per_day(str(rate))
    return rate


Rate = Annotated[str, BeforeValidator(_rate)]
Level = Literal["low", "medium", "high"]
PriorityName = Literal["P1", "P2", "P3", "P4", "P5"]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A frozen table of the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Server(Section):
    host: str = Field("127.0.0.1", description="address to listen on; anything but loopback needs api_keys")
    port: int = Field(8080, ge=0, le=65535, description="0 = any free port")
    api_keys: tuple[SecretStr, ...] = Field(
        (), description="accepted keys, 16 characters or more each; none = no key asked"
    )
    data_dir: Path = Field(Path("data"), description="snapshots and the embedded database live here")
    body_bytes_max: Count = Field(32 * 1024 * 1024, description="request body, packed or unpacked; beyond: 413")
    drain_bytes_max: Count = Field(
        256 * 1024 * 1024, description="read of a refused body so that its reply arrives; beyond: the connection is cut"
    )
    drain_s: Seconds = Field(30, description="as drain_bytes_max, in seconds")
    in_flight_max: Count = Field(64, description="writes waiting at a time; beyond: 503 with Retry-After")


class Ingest(Section):
    series_max: Count = Field(
        100_000,
        description="new series beyond: silent ones make room (series_forget_s), else refused, counted, logged",
    )
    series_forget_s: Seconds = Field(
        3600, description="series silent for longer, and for twice their longest pause, make room at series_max"
    )
    samples_per_request_max: Count = Field(1_000_000, description="beyond: 413, nothing of the request kept")
    labels_per_series_max: Count = Field(64, description="series with more labels: refused")
    label_bytes_max: Count = Field(8192, description="all labels of one series together; more: refused")
    future_max_s: Seconds = Field(600, description="samples further ahead of the clock: refused")
    timestamp_min_ms: int = Field(946_684_800_000, description="older samples (2000-01-01) are unit mistakes: refused")
    recent_samples_max: Count = Field(2_000_000, description="kept for evidence and graphs; the oldest are dropped")


class Rule(Section):
    match: str = Field(description='series it holds for, as in Prometheus: {__name__=~"errors.*", team="shop"}')
    direction: Literal["up", "down", "both"] | None = Field(None, description="which deviations may alert")
    change_min: float | None = Field(None, ge=0, description="least distance from what is expected; counters: a second")
    change_relative_min: float | None = Field(None, ge=0, description="the same as a share of what is expected")
    limit: float | None = Field(None, description="where the series ends; told hours before it is reached")


class Budget(Section):
    match: str = Field(description='series it holds for, as in Prometheus: {team="shop"}')
    alerts: Rate = Field(min_length=1, description="how many of them are told: 3 per day, 1 per hour, 2 per week")


class OwnDetector(Section):
    name: str = Field(min_length=1, description="river.anomaly.HalfSpaceTrees, or a file: my_kernel.py")
    match: str = Field(description='series it scores beside the built-in detectors: {__name__="latency_ms"}')
    options: dict[str, Any] = Field({}, description="of a river detector: {n_trees = 10}")


class Detection(Section):
    threads: int = Field(0, ge=0, le=64, description="scoring threads; 0 = one per core, at most 8")
    warm_up_samples: Count = Field(20, description="samples of a series before its first score")
    persist_s: Seconds = Field(600, description="an anomaly lasting longer counts as evidence by itself")
    snapshot_interval_s: float = Field(10, gt=0, description="a restart forgets at most this much learning")
    missing_intervals: float = Field(5, gt=0, description="silence of so many usual intervals is missing data")
    missing_min_s: Seconds = Field(30, description="shorter silences are never missing data")
    missing_forget_s: Seconds = Field(86_400, description="a series silent for longer is gone for good")
    alert_budget: Rate = Field("", description='the most surprising only: "3 per day"; empty = all')
    budgets: tuple[Budget, ...] = Field(
        (), max_length=100, description="the same for the series that match; the first that matches counts"
    )
    rules: tuple[Rule, ...] = Field((), description="which deviations of which series may alert; later rules win")
    detectors: tuple[OwnDetector, ...] = Field(
        (), max_length=100, description="detectors of your own, in the same calibration; the first that matches counts"
    )
    own_series_max: Count = Field(1000, description="series with one of these; further ones have the built-in only")
    joint: bool = Field(False, description="also score the metrics of each host or service together")
    joint_labels: tuple[str, ...] = Field(
        ("instance", "host", "pod", "service", "node"), description="the first of these names what is scored together"
    )
    joint_interval_s: float = Field(60, gt=0, description="an entity's last values are sampled together so often")
    joint_lasting_s: Seconds = Field(1800, description="a joint anomaly lasting longer counts as evidence by itself")
    joint_entities_max: Count = Field(1000, description="scored jointly; series of further ones only by themselves")
    joint_metrics_max: int = Field(40, ge=3, le=200, description="of an entity; further series only by themselves")
    limit_horizon_s: Seconds = Field(21_600, description="a limit reached within this time, at this pace, is told")


class Incidents(Section):
    entity_labels: tuple[str, ...] = Field(
        ("service", "instance", "host", "pod", "node"), description="series with one of these in common are related"
    )
    window_s: Seconds = Field(600, description="alerts further apart are not one cause")
    span_s: Seconds = Field(3600, description="alerts of other series join an incident no later than this")
    corroborate_s: Seconds = Field(300, description="alerts of different series within this time support each other")
    alerts_per_series_day: float = Field(0.1, gt=0, description="alerts a healthy series is assumed to raise by chance")
    chance_max: float = Field(1e-5, gt=0, lt=1, description="so improbable by chance must supporting alerts be")
    solo_score: float = Field(0.88, gt=0.5, le=1, description="one alert of this score opens an incident by itself")
    quiet_s: Seconds = Field(600, description="all alerts ended for this long: the incident recovered")
    reopen_s: Seconds = Field(3600, description="alerts again within this time: the recovered incident relapses")
    dismissed_quiet_s: Seconds = Field(3600, description="what a person dismissed does not come back for this long")
    alerts_per_incident_max: Count = Field(500, description="further alerts are counted, not kept")
    active_max: Count = Field(1000, description="incidents in sight of grouping; the stalest recovers first")
    past_events_max: Count = Field(5, description="earlier alerts like this one shown with it; older ones are not")
    evidence_samples: Count = Field(60, description="samples kept before and after the onset of an alert")


class Tickets(Section):
    bundle: str = Field("", description="folder of the classifier; empty = the one that comes with aiops")
    encoder: str = Field("", description="folder of the encoder the bundle was fitted to; empty = ours")
    teams_file: str = Field("", description="teams.toml: who owns what, in words; empty = the bundle's teams")
    precision: float = Field(0.0, ge=0, le=0.99, description="answer only when right so often (0.9); 0 = always answer")
    batch_max: Count = Field(1000, description="tickets in one request; beyond: 413, none of them triaged")
    tenants: tuple[str, ...] = Field((), description="tenants that may send tickets, others: 400; empty = any")
    attributes_chars_max: Count = Field(20_000, description="of a stored ticket's attributes as JSON; beyond: 413")
    priority: dict[Level, dict[Level, PriorityName]] = Field(
        {}, description='by urgency and impact, where it is not ITIL\'s matrix: {high = {low = "P2"}}'
    )
    p1_share_max: float = Field(
        0.1, ge=0, le=1, description="of a tenant's kept tickets of 24 h, P1 by the model alone; more: P2; 1 = no cap"
    )
    p1_free: int = Field(3, ge=0, description="so many of them a day are P1 whatever the share")
    team_history_s: Seconds = Field(60, description="routing asks the store for the load and past of teams so often")
    similar_max: Count = Field(5, description="similar past tickets and incidents shown with a ticket")
    similar_score_min: float = Field(
        0.1, description="what is less alike is not shown with a ticket; a copy has about 1"
    )
    past_items_max: Count = Field(1_000_000, description="past items remembered to show; those added first go beyond")
    past_save_s: float = Field(60, gt=0, description="a power cut forgets at most this much of the past items")
    cache_texts_max: Count = Field(10_000, description="texts whose vectors are remembered; the oldest are dropped")
    text_chars_max: Count = Field(20_000, description="of the newest message read for triage; what is beyond is not")
    raw_chars_max: Count = Field(1_000_000, description="of a message with its markup and history; beyond: not read")
    redact_ips: bool = Field(False, description="IP and MAC addresses count as personal data too")
    redaction_key: SecretStr = Field(
        SecretStr(""),
        description="32 bytes in base64: stored tickets keep what was redacted encrypted; triage keeps nothing",
    )


class Store(Section):
    url: SecretStr = Field(SecretStr(""), description="SQLAlchemy URL; empty = SQLite file aiops.db in data_dir")


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe level written")
    format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal, else json")


class Topology(Section):
    depends_on: dict[str, tuple[str, ...]] = Field({}, description='entity -> entities it needs: {checkout = ["db"]}')


class Settings(Section):
    """Everything in force, one section per part of the house."""

    server: Server = Server()
    ingest: Ingest = Ingest()
    detection: Detection = Detection()
    incidents: Incidents = Incidents()
    tickets: Tickets = Tickets()
    store: Store = Store()
    log: Log = Log()
    topology: Topology = Topology()

    def with_data_in(self, folder: Path) -> "Settings":
        """The same, but with all data in `folder` and nowhere else: for replays and demonstrations."""
        server = self.server.model_copy(update={"data_dir": folder})
        return self.model_copy(update={"server": server, "store": Store()})

    @property
    def store_url(self) -> str:
        """The URL the store is opened with, password included: not for showing."""
        url = self.store.url.get_secret_value() or f"sqlite:///{self.server.data_dir / 'aiops.db'}"
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)  # as most programs write it


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and, per "section.key", where each value comes from."""

    settings: Settings
    origin: Mapping[str, str]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """(key, value with secrets hidden, origin, meaning) of every setting."""
        rows = []
        for section, field in Settings.model_fields.items():
            table = getattr(self.settings, section)
            assert field.annotation is not None
            for key, info in type(table).model_fields.items():
                name = f"{section}.{key}"
                shown = _shown(name, getattr(table, key))
                rows.append((name, shown, self.origin.get(name, "default"), info.description or ""))
        return rows


def _shown(name: str, value: Any) -> str:
    if name == "store.url":
        url = value.get_secret_value()
        return _toml(make_url(url).render_as_string(hide_password=True) if url else "")
    if isinstance(value, SecretStr):
        return _toml("***" if value.get_secret_value() else "")
    if name == "server.api_keys":
        return _toml(["***"] * len(value))
    return _toml(value)


def _toml(value: Any) -> str:
    """A value as it stands in a TOML file, on one line."""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, Mapping):
        pairs = (f"{key if _BARE.fullmatch(key) else _toml(key)} = {_toml(one)}" for key, one in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, default=str, ensure_ascii=False)


_BARE = re.compile("[A-Za-z0-9_-]+")


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Settings from the file at `path` (None: AIOPS_CONFIG, else ./aiops.toml if there) and from `environ`.

    Raises SettingsError: unknown key, wrong type, out of range, or an address open to others without API keys.
    """
    if path is None:
        named = environ.get("AIOPS_CONFIG")
        path = Path(named) if named else (Path("aiops.toml") if Path("aiops.toml").exists() else None)
    values: dict[str, dict[str, Any]] = {}
    origin: dict[str, str] = {}
    for section, table in (_read(path) if path else {}).items():
        for key, value in table.items():
            values.setdefault(section, {})[key] = value
            origin[f"{section}.{key}"] = str(path)
    for variable, text in environ.items():
        if not variable.startswith("AIOPS_") or variable == "AIOPS_CONFIG" or variable.startswith("AIOPS_TEST_"):
            continue
        section, _, key = variable.removeprefix("AIOPS_").lower().partition("_")
        _check_known(section, key, variable)
        values.setdefault(section, {})[key] = _parsed(section, key, text, variable)
        origin[f"{section}.{key}"] = variable
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_told(error, origin)) from None
    _check(settings, origin)
    return Loaded(settings, origin)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise SettingsError(f"{path}: {section!r} stands outside a section; write it under [server], [ingest], ...")
        for key in table or {"": None}:
            _check_known(section, key, f"{path}: [{section}] {key}".rstrip())
    return tables


def _keys(section: str) -> dict[str, Any]:
    field = Settings.model_fields.get(section)
    return dict(field.annotation.model_fields) if field and isinstance(field.annotation, type) else {}


def _check_known(section: str, key: str, where: str) -> None:
    if key in _keys(section) or (not key and _keys(section)):
        return
    known = [f"{name}.{k}" for name in Settings.model_fields for k in _keys(name)]
    same_section = [k for k in known if k.startswith(section + ".")]
    wanted = f"{section}.{key}"
    close = difflib.get_close_matches(wanted, same_section, 1, 0.5) or difflib.get_close_matches(wanted, known, 1, 0.5)
    hint = f"; did you mean {close[0]}?" if close else f"; sections are {', '.join(Settings.model_fields)}"
    raise SettingsError(f"{where}: unknown setting {wanted}{hint}")


def _parsed(section: str, key: str, text: str, variable: str) -> Any:
    """A variable's text as the setting's type: lists by commas, tables as JSON, the rest left to validation."""
    annotation = _keys(section)[key].annotation
    if _table_of(annotation):
        try:
            return json.loads(text)
        except ValueError:
            raise SettingsError(f"{variable}: write a JSON list of objects") from None
    if get_origin(annotation) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if get_origin(annotation) is dict:
        try:
            return json.loads(text)
        except ValueError:
            raise SettingsError(f'{variable}: write JSON, for example {{"checkout": ["db"]}}') from None
    return text


def _table_of(annotation: Any) -> dict[str, Any]:
    """The keys of one entry of a list of tables (`[[detection.rules]]`); none where it is a list of plain values."""
    entries = get_args(annotation) if get_origin(annotation) is tuple else ()
    is_tables = bool(entries) and isinstance(entries[0], type) and issubclass(entries[0], Section)
    return dict(entries[0].model_fields) if is_tables else {}


def _told(error: ValidationError, origin: Mapping[str, str]) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    section, key, *_ = (*map(str, first["loc"]), "", "")
    known = _table_of(_keys(section)[key].annotation) if key in _keys(section) else {}
    if first["type"] == "extra_forbidden" and known:
        close = difflib.get_close_matches(str(first["loc"][-1]), known, 1, 0.5)
        message = f"unknown key; did you mean {close[0]}?" if close else f"unknown key; keys are {', '.join(known)}"
    elif first["type"] == "tuple_type" and known:
        message = f"write [[{name}]] above each table of it"
    elif first["type"] == "tuple_type":
        message = 'write a list: ["checkout"]' if name == "topology.depends_on" else "write a list: [...]"
    return f"{origin.get(name, 'settings')}: {where}: {message}"


def _check(settings: Settings, origin: Mapping[str, str]) -> None:
    keys = [key.get_secret_value() for key in settings.server.api_keys]
    if any(len(key) < 16 for key in keys):
        raise SettingsError(
            f"{origin['server.api_keys']}: server.api_keys: a key has fewer than 16 characters; "
            "make one with `openssl rand -hex 24`"
        )
    if not is_loopback(settings.server.host) and not keys:
        raise SettingsError(
            f"server.host = {settings.server.host!r} is open to other machines: set server.api_keys "
            "(AIOPS_SERVER_API_KEYS=...) first, or listen on 127.0.0.1"
        )
    if key := settings.tickets.redaction_key.get_secret_value():
        try:
            size = len(base64.urlsafe_b64decode(key.replace("+", "-").replace("/", "_")))
        except ValueError:
            size = 0
        if size != 32:
            where = origin["tickets.redaction_key"]
            hint = "write 32 bytes in base64; make them with `openssl rand -base64 32`"
            raise SettingsError(f"{where}: tickets.redaction_key: {hint}")
    if settings.store.url.get_secret_value():
        try:
            make_url(settings.store_url).get_dialect()
        except (ArgumentError, ValueError):  # the URL is not told: it may hold a password
            hint = "not a database URL that is known here; write postgresql://user@host/name"
            raise SettingsError(f"{origin['store.url']}: store.url: {hint}") from None


def is_loopback(host: str) -> bool:
    """True where only this machine can connect."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
