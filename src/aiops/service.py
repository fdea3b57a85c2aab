"""The walk of a sample, and nothing else: bytes -> batch -> engine -> alerts -> grouping -> store -> reply.

Everything below is pure or plain storage; here stand the lock, the clock and the order of steps. A write is answered
only after the incidents it changed are stored, so no accepted incident is lost; detector state is saved every few
seconds (`snapshot_interval_s`), so a restart forgets at most that much learning.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from aiops import evidence, finding
from aiops.arrival import in_steps, tell_late, within_time
from aiops.compiled import FIRST_START, is_kept
from aiops.config import Settings
from aiops.detection import kernel
from aiops.detection import state as S
from aiops.detection.engine import Engine
from aiops.detection.own import OwnDetectors
from aiops.detection.policy import Policy
from aiops.detection.scores import Kind, Scores, Status
from aiops.errors import NotFoundError, OverloadError, SnapshotError
from aiops.eviction import Eviction, InUse
from aiops.incidents import incident as life
from aiops.incidents.alert import OVERDUE, Alert
from aiops.incidents.grouping import Grouper
from aiops.incidents.incident import Incident, PastEvent
from aiops.keeping import Keeping, Learned
from aiops.memory import memory
from aiops.metrics.json_lines import DecodedJson, decode_json, decode_ndjson
from aiops.metrics.recent import RecentSamples
from aiops.metrics.remote_write import Limits, RemoteWriteDecoder
from aiops.metrics.remote_write_encode import encode_write_request
from aiops.metrics.series import Labels, Matcher, SampleBatch, SeriesTable, display
from aiops.metrics.timestamp import iso
from aiops.metrics.write_result import Refusal, WriteResult
from aiops.observation import Observation
from aiops.reply import known, moment, refused_reply, sample_record, score_reply
from aiops.store.incident_store import Change, Evidence, IncidentFilter, IncidentStore, Page
from aiops.telling import Telling
from aiops.watch import Watch

YOUNG_S = 86_400  # the first day of a series: what it does at other hours is not known
TICK_MS = 10_000  # of sample time between looks at what is missing, quiet or forgotten
PAUSE_MS = 120_000  # of sample time without any sample: the whole stream stood still
log = structlog.get_logger(__name__)
_REMEMBERED = [int(s) for s in (Status.SCORED, Status.WARMING_UP, Status.RESET, Status.NOT_FINITE)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one write; `samples` only where the protocol answers sample by sample."""

    result: WriteResult
    samples: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """One series as the service knows it."""

    series_id: int
    labels: Labels
    samples_seen: int
    interval_s: float | None
    last_time_ms: int | None
    is_counter: bool


@dataclass(frozen=True, slots=True)
class _Ingested:
    """Scores of a batch after samples of impossible times were taken out."""

    kept: NDArray[np.bool_]  # per sample of the batch as decoded
    refused: dict[Refusal, int]
    first: dict[Refusal, str]
    scores: Scores
    rows: NDArray[np.int32]

    @property
    def refused_count(self) -> int:
        return sum(self.refused.values())


def check(settings: Settings) -> None:
    """Raises SettingsError for what can be read but not obeyed: selectors, detectors of your own, their options."""
    detection, table = settings.detection, SeriesTable(1)
    Policy(table, detection.rules)
    OwnDetectors(table, detection.detectors, detection.own_series_max)
    Telling(detection, settings.incidents.entity_labels, Observation())


class Service:
    """Thread-safe: every public call takes the one lock. `now_s` is the wall clock."""

    def __init__(self, settings: Settings, store: IncidentStore, now_s: Callable[[], float] = time.time) -> None:
        self.settings, self.store = settings, store
        self.clock = self._now_s = now_s
        self._lock = threading.RLock()
        self._limits = Limits(
            settings.server.body_bytes_max,
            settings.ingest.samples_per_request_max,
            settings.ingest.labels_per_series_max,
            settings.ingest.label_bytes_max,
        )
        self.observation = Observation()
        folder, every_s = settings.server.data_dir / "detector", settings.detection.snapshot_interval_s
        self._keeping = Keeping(folder, every_s, self._lock, self.observation, now_s)
        self.is_ready = False
        self._build()

    def _build(self) -> None:
        detection = self.settings.detection
        self.table = SeriesTable(self.settings.ingest.series_max)
        self.telling = Telling(detection, self.settings.incidents.entity_labels, self.observation)
        policy = Policy(self.table, detection.rules, self.telling.is_budgeted)
        own = OwnDetectors(self.table, detection.detectors, detection.own_series_max)
        self.engine = Engine(self.table, detection.warm_up_samples, detection.persist_s, detection.threads, policy, own)
        self._decoder = RemoteWriteDecoder(self.table, self._limits)
        self._recent = RecentSamples(self.settings.ingest.recent_samples_max)
        self._watch = Watch(self.settings, self.table, self.engine.state)
        self._learned = Learned(self.table, self.engine, self.telling, self._watch.joint)
        next_id = self.store.last_id()

        def number() -> int:
            nonlocal next_id
            next_id += 1
            return next_id

        self._grouper = Grouper(
            self.settings.incidents,
            self.settings.topology.depends_on,
            number,
            partial(evidence.recall, self.store),
            self.telling.budget,
        )
        self._series_grouped = 0
        self._alert_of_row: dict[int, str] = {}  # rows with a running anomaly -> fingerprint
        self._eviction = Eviction(
            self.settings,
            self.table,
            self.engine.state,
            InUse(self._alert_of_row, self._watch, self._grouper),
            (self.engine, self._decoder, self._recent, self._watch),
            (self._grouper, self.telling.budget),
            self.observation,
        )
        self._ticked_ms = 0

    # life

    def start(self) -> None:
        """Takes up where the last run stood, compiles what is compiled, and begins to save snapshots."""
        log.info("starting", **({} if is_kept(kernel.__file__) else {"note": FIRST_START}))
        log.info("memory", **memory(self.settings.ingest), joint_bytes=self._watch.joint.bytes_max)
        self.engine.compile()
        self._watch.compile()
        scratch = RemoteWriteDecoder(SeriesTable(1), self._limits)
        scratch.decode(encode_write_request([((("__name__", "a"),), [(0, 0.0)])]))
        with self._lock:
            try:
                self._keeping.restore(self._learned)
            except SnapshotError as error:
                log.error("snapshot_refused", reason=str(error), action="kept aside as *.refused; learning starts anew")
                self._keeping.set_aside()
                self._build()
            self._take_up_incidents()
        self._keeping.start(self._learned)
        self.is_ready = True
        newest_ms = self.engine.newest_ms
        log.info("ready", series=self.table.series_count, newest=iso(newest_ms) if newest_ms else None)

    def stop(self) -> None:
        """Saves a last snapshot; further writes are refused."""
        self.is_ready = False
        self._keeping.stop(self._learned)

    def _take_up_incidents(self) -> None:
        newest = self.engine.newest_ms
        living = self.store.living((newest or int(1000 * self._now_s())) - int(1000 * self.settings.incidents.reopen_s))
        self._learn_series()
        self._grouper.restore(living)
        for alert in (alert for incident in living for alert in incident.alerts if alert.ended_ms is None):
            if self._watch.take_up(alert):
                continue
            row = self.table.find(alert.labels)
            if row is not None and self.engine.state.body[row, S.ACTIVE] > 0 and alert.kind != OVERDUE:
                self._alert_of_row[row] = alert.fingerprint
            else:  # its end was not seen, or was forgotten with the snapshot
                self._grouper.ended(alert.fingerprint, max(newest, alert.last_ms))

    # samples in

    def ingest_remote_write(self, body: bytes) -> Outcome:
        """One remote write 1.0 request. Raises InputError, TooLargeError, and OverloadError where storing failed."""
        with self._lock:
            self._check_ready()
            started = time.perf_counter()
            decoded = self._decoder.decode(body)
            if self._eviction.makes_room(decoded.refused, decoded.batch.rows, self.engine.newest_ms, self._now_s()):
                decoded = self._decoder.decode(body)
            taken = self._ingest(decoded.batch)
            refused = dict(decoded.refused)
            for reason, count in taken.refused.items():
                refused[reason] = refused.get(reason, 0) + count
            result = WriteResult(len(decoded.batch) - taken.refused_count, refused, {**taken.first, **decoded.first})
            self._eviction.refused(refused.get(Refusal.SERIES_LIMIT, 0), self._now_s())
            self.observation.wrote("remote_write", result, time.perf_counter() - started)
            return Outcome(result)

    def ingest_json(self, body: bytes, is_ndjson: bool = False, with_samples: bool = True) -> Outcome:
        """One request of JSON samples. Raises as `ingest_remote_write`."""
        with self._lock:
            self._check_ready()
            started = time.perf_counter()
            decode = decode_ndjson if is_ndjson else decode_json
            received_ms = int(1000 * self._now_s())
            decoded = decode(body, self.table, self._limits, received_ms)
            if self._eviction.makes_room(decoded.reasons, decoded.batch.rows, self.engine.newest_ms, self._now_s()):
                decoded = decode(body, self.table, self._limits, received_ms)
            taken = self._ingest(decoded.batch)
            refused, first = dict(taken.refused), dict(taken.first)
            for _, reason, sentence, _ in decoded.refusals:
                refused[reason] = refused.get(reason, 0) + 1
                first.setdefault(reason, sentence)
            result = WriteResult(len(decoded.batch) - taken.refused_count, refused, first)
            self._eviction.refused(refused.get(Refusal.SERIES_LIMIT, 0), self._now_s())
            samples = self._replies(decoded, taken) if with_samples else ()
            self.observation.wrote("json", result, time.perf_counter() - started)
            return Outcome(result, samples)

    def ingest_batch(self, batch: SampleBatch) -> Scores:
        """Samples that are columns already, of rows of `table`; those of impossible times have no score. Raises
        OverloadError where storing failed."""
        with self._lock:
            self._check_ready()
            return self._ingest(batch).scores

    def _check_ready(self) -> None:
        if not self.is_ready:
            raise OverloadError("the service is starting or stopping; send this again in a moment")

    def _ingest(self, batch: SampleBatch) -> _Ingested:
        batch, kept, refused, first = within_time(batch, self.table, self.settings.ingest, self._now_s())
        scores = Scores.joined([(where, self._walk(step)) for where, step in in_steps(batch, TICK_MS)])
        if len(batch) and int(scores.status.max()) > Status.WARMING_UP:  # few requests
            tell_late(batch, scores, self.table, refused, first)
            self.observation.set_aside(scores.status)
        return _Ingested(kept, refused, first, scores, batch.rows)

    def _walk(self, batch: SampleBatch) -> Scores:
        """One step of stream time, from samples to stored incidents."""
        before_ms = self.engine.newest_ms
        if len(batch) and 0 < before_ms < (first_ms := int(batch.time_ms.min())) - PAUSE_MS:
            self._watch.paused(before_ms, first_ms)
            self._eviction.paused(before_ms, first_ms)
            self.telling.budget.paused(before_ms, first_ms)
        scores = self.engine.ingest(batch)
        self._remember(batch, scores)
        self._learn_series()
        self._watch.note(batch, scores.status)
        self._follow(batch, scores, before_ms)
        now_ms = self.engine.newest_ms
        if now_ms - self._ticked_ms >= TICK_MS:
            self._ticked_ms = now_ms
            self.telling.tick(now_ms)
            self.observation.own(self.engine.own)
            self._look(min(now_ms, int(1000 * self._now_s())))
        self._grouper.judge(now_ms)
        self._grouper.advance(now_ms)
        self._store(self._grouper.collect(now_ms))
        return scores

    def _remember(self, batch: SampleBatch, scores: Scores) -> None:
        columns: dict[str, NDArray[Any]] = {
            "row": batch.rows,
            "time_ms": batch.time_ms,
            "value": batch.values,
            "expected": scores.expected,
            "lower": scores.lower,
            "upper": scores.upper,
            "score": scores.score,
            "anomalous": scores.anomalous,
            "kind": scores.kind,
        }
        if len(batch) and int(scores.status.max()) > Status.WARMING_UP:
            taken = np.isin(scores.status, _REMEMBERED)
            columns = {name: column[taken] for name, column in columns.items()}
        self._recent.append(**columns)

    def _learn_series(self) -> None:
        for row in self.table.new_since(self._series_grouped):
            self._grouper.known(self.table.labels(row))
        self._series_grouped = self.table.given

    def _follow(self, batch: SampleBatch, scores: Scores, before_ms: int) -> None:
        """Onsets, lasting anomalies and their ends go to grouping in the order of time and are judged one by one, and
        time passes between them as it would have had each sample come in a request of its own."""
        found = enumerate((scores.onsets, scores.persisted, scores.endings, scores.again, scores.hints))
        events = sorted((int(batch.time_ms[k]), k, what) for what, samples in found for k in samples.tolist())
        accepted = set(scores.accepted.tolist())
        clock_ms = before_ms
        for time_ms, k, what in events:
            self._grouper.judge(clock_ms)  # of the event before
            clock_ms, row = max(time_ms, before_ms), int(batch.rows[k])
            self._grouper.advance(clock_ms)
            self.telling.budget.advance(clock_ms)
            if what in (0, 3) or (what == 4 and self.telling.is_worth(self.table.labels(row), time_ms, scores, k)):
                alert = finding.onset(batch, scores, k, self._known(row))
                if what == 3 and not self._grouper.incident_of(alert.fingerprint):
                    continue  # only what is part of an incident comes back
                is_told = not self._grouper.add([alert], clock_ms)
                self.telling.tell(scores, k, alert.kind, is_told, is_new=what != 3)
                if what != 4:
                    self._alert_of_row[row] = alert.fingerprint
                elif row not in self._alert_of_row and not self._watch.is_heading(row):
                    self._grouper.ended(alert.fingerprint, time_ms)  # a hint is of a moment
            elif what == 1 and (fingerprint := self._alert_of_row.get(row)):
                series = self._known(row)
                retold = partial(finding.lasting, scores=scores, k=k, series=series)
                is_young = series.history_s < YOUNG_S and not scores.novel[k]
                if self._grouper.persisted(fingerprint, time_ms, retold, is_young):
                    self.telling.tell(scores, k, Kind(int(scores.kind[k])).name.lower(), is_told=True)
            elif what == 2 and (fingerprint := self._alert_of_row.pop(row, None)) and not self._watch.is_heading(row):
                self._grouper.ended(fingerprint, time_ms, k in accepted)

    def _known(self, row: int) -> finding.Known:
        labels, is_counter, own = self.table.labels(row), bool(self.table.is_counter[row]), self.engine.own.name(row)
        return finding.known(self.engine.state, row, labels, is_counter, own, self._watch.outlook(row))

    def _look(self, now_ms: int) -> None:
        alerts, news, over = self._watch.look(now_ms, self._grouper.is_alerting)
        for alert in alerts:
            if not self._grouper.add([alert], now_ms):
                self.observation.alerts.labels(alert.kind).inc()
        for alert in news:
            self._grouper.retold(alert)
        running = set(self._alert_of_row.values()) if over else ()
        for fingerprint, time_ms, is_accepted in over:
            if fingerprint not in running:
                self._grouper.ended(fingerprint, time_ms, is_accepted)
        self.observation.joint(len(self._watch.joint), *self._watch.joint.left_out)

    def _store(self, incidents: Sequence[Incident]) -> None:
        if not incidents:
            return
        changes = [Change(incident, self._fresh_evidence(incident)) for incident in incidents]
        try:
            saved = self.store.save(changes)
        except SQLAlchemyError as error:
            self._grouper.stored(incidents, is_stored=False)
            self.observation.store_failures.inc()
            log.error("store_failed", reason=str(error), incidents=[incident.name for incident in incidents])
            raise OverloadError("incidents cannot be stored now; send this again in a moment") from error
        self._grouper.stored(saved, is_stored=True)
        for incident in saved:
            if incident.version == 1:
                self.observation.opened.labels(incident.severity.name.lower()).inc()
                log.info("candidate_incident", incident=incident.name, title=incident.title)

    # evidence

    def _fresh_evidence(self, incident: Incident) -> Evidence:
        """Samples around the alerts that just began or ended; all of them when the incident is new."""
        since = self.engine.newest_ms - TICK_MS if incident.version else 0
        return self._samples_around([a for a in incident.alerts if max(a.last_ms, a.ended_ms or 0) >= since])

    def _samples_around(self, alerts: Sequence[Alert]) -> Evidence:
        """The samples before and after each onset, as far as they are still remembered."""
        count = self.settings.incidents.evidence_samples
        return evidence.samples_around(alerts, self.table, self.engine.state, self._recent, count)

    # incidents

    def incidents(self, wanted: IncidentFilter, limit: int, cursor: str | None) -> Page:
        """Incidents newest first. Raises InputError for a foreign cursor."""
        return self.store.list(wanted, limit, cursor)

    def incident(self, incident_id: int) -> tuple[Incident, Evidence]:
        """One incident with the samples kept around its alerts. Raises NotFoundError."""
        incident, kept = self.store.get(incident_id), dict(self.store.evidence(incident_id))
        if incident.state not in life.FINAL:
            with self._lock:
                for fingerprint, samples in self._samples_around(incident.alerts).items():
                    if len(samples) > len(kept.get(fingerprint, ())):
                        kept[fingerprint] = samples
        return incident, kept

    @property
    def now_ms(self) -> int:
        """Where the stream stands: the clock by which incidents last."""
        return self.engine.newest_ms

    def past(self, incident: Incident) -> Mapping[str, Sequence[PastEvent]]:
        """By fingerprint: alerts of earlier incidents that are like those of this one, newest first."""
        return evidence.past_events(self.store, incident, self.settings.incidents.past_events_max)

    def confirm(self, incident_id: int, who: str, why: str) -> Incident:
        """A person says it is real. Raises NotFoundError, ConflictError."""
        return self._decide(incident_id, lambda incident, now: life.confirm(incident, who, why, now))

    def dismiss(self, incident_id: int, who: str, why: str) -> Incident:
        """A person says it is none. Raises NotFoundError, ConflictError, InputError without a reason."""
        return self._decide(incident_id, lambda incident, now: life.dismiss(incident, who, why, now))

    def resolve(self, incident_id: int, who: str, why: str, cause: str) -> Incident:
        """A person says it is mended. Raises NotFoundError, ConflictError, InputError without a resolution."""
        return self._decide(incident_id, lambda incident, now: life.resolve(incident, who, why, cause, now))

    def _decide(self, incident_id: int, transition: Callable[[Incident, int], Incident]) -> Incident:
        with self._lock:
            incident = self.store.get(incident_id)
            fresh = self._samples_around(incident.alerts) if incident.state not in life.FINAL else {}
            moved = transition(incident, int(1000 * self._now_s()))
            stored = self.store.evidence(incident_id)
            longer = {f: s for f, s in fresh.items() if len(s) > len(stored.get(f, ()))}
            saved = self.store.save([Change(moved, longer)])[0]
            self._grouper.decided(saved, self.engine.newest_ms)
            return saved

    # series

    def series(self, matchers: Sequence[Matcher], first_id: int, limit: int) -> tuple[list[SeriesInfo], int | None]:
        """Series that match, from `first_id` on, and the id to go on from."""
        with self._lock:
            rows = [row for row in self.table.match(matchers) if row >= first_id]
            page = [self._series_info(row) for row in rows[:limit]]
        return page, rows[limit] if len(rows) > limit else None

    def series_info(self, series_id: int) -> SeriesInfo:
        """Raises NotFoundError."""
        with self._lock:
            if not self.table.is_taken(series_id):
                raise NotFoundError(f"no series {series_id}; find ids with GET /v1/series")
            return self._series_info(series_id)

    def series_samples(self, series_id: int, start_ms: int, end_ms: int, limit: int) -> list[dict[str, Any]]:
        """The newest `limit` samples kept of one series, oldest first. Raises NotFoundError."""
        with self._lock:
            self.series_info(series_id)
            return [sample_record(record) for record in self._recent.of_rows([series_id], start_ms, end_ms)[0][-limit:]]

    def _series_info(self, row: int) -> SeriesInfo:
        head, seen = self.engine.state.head[row], int(self.engine.state.head[row, S.SEEN])
        return SeriesInfo(
            series_id=row,
            labels=self.table.labels(row),
            samples_seen=seen,
            interval_s=round(float(head[S.INTERVAL_S]), 3) if head[S.INTERVAL_S] > 0 else None,
            last_time_ms=int(head[S.LAST_TIME_MS]) if seen else None,
            is_counter=bool(self.table.is_counter[row]),
        )

    # replies

    def _replies(self, decoded: DecodedJson, taken: _Ingested) -> list[dict[str, Any]]:
        """One reply per sample sent, in the order sent."""
        place = np.cumsum(taken.kept) - 1  # index into scores, of batch samples that were kept
        said = {r.position: {"series": r.series} | refused_reply(r.reason, r.sentence) for r in decoded.refusals}
        replies = []
        for position, k in enumerate(decoded.index.tolist()):
            if k < 0:
                replies.append(said[position])
                continue
            head = {
                "series": display(self.table.labels(int(decoded.batch.rows[k]))),
                "timestamp": moment(int(decoded.batch.time_ms[k])),
                "value": known(decoded.batch.values[k]),
            }
            if not taken.kept[k]:
                is_future = decoded.batch.time_ms[k] > self.settings.ingest.timestamp_min_ms
                reason = Refusal.TOO_FAR_IN_FUTURE if is_future else Refusal.TOO_OLD
                replies.append(head | refused_reply(reason, taken.first[reason]))
            else:
                fingerprint = self._alert_of_row.get(int(taken.rows[place[k]]))
                incident = self._grouper.incident_of(fingerprint) if fingerprint else None
                replies.append(head | score_reply(taken.scores, int(place[k]), incident.name if incident else None))
        return replies
