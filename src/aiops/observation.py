"""What the service tells about itself, in Prometheus' words; one registry per service, so that tests do not share."""

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from aiops.detection.own import OwnDetectors
from aiops.detection.scores import Status
from aiops.metrics.write_result import WriteResult

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
UNSCORED = (Status.STALE, Status.RESET, Status.DUPLICATE, Status.NOT_FINITE)


class Observation:
    """All metrics of one running service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # CPU seconds, resident memory, open files
        r = self.registry
        self.samples = Counter("aiops_samples", "Samples accepted", ["protocol"], registry=r)
        self.refused = Counter("aiops_samples_refused", "Samples refused", ["protocol", "reason"], registry=r)
        self.unscored = Counter("aiops_samples_unscored", "Accepted, but nothing to score", ["status"], registry=r)
        self.ingest_seconds = Histogram("aiops_ingest_seconds", "One write, inside", registry=r, buckets=_SECONDS)
        self.alerts = Counter("aiops_alerts", "Anomaly onsets told", ["kind"], registry=r)
        self.budget_per_day = Gauge("aiops_alert_budget_per_day", "Alerts a day asked for", ["budget"], registry=r)
        self.budget_bar = Gauge("aiops_alert_budget_bar", "Strength told now, 1 = no budget", ["budget"], registry=r)
        self.budget_told = Gauge("aiops_alert_budget_told", "Told since the start", ["budget"], registry=r)
        self.own_series = Gauge("aiops_own_detector_series", "Series with it", ["detector"], registry=r)
        self.own_failed = Gauge("aiops_own_detector_failed", "Series it failed on", ["detector"], registry=r)
        self.own_refused = Gauge("aiops_own_detector_refused", "Series beyond own_series_max", registry=r)
        self.opened = Counter("aiops_candidate_incidents", "Candidate incidents opened", ["severity"], registry=r)
        self.store_failures = Counter("aiops_store_failures", "Incidents that could not be stored", registry=r)
        self.snapshot_failures = Counter("aiops_snapshot_failures", "Snapshots that failed", registry=r)
        self.snapshot_time = Gauge("aiops_snapshot_timestamp_seconds", "When the last snapshot was taken", registry=r)
        self.snapshot_seconds = Gauge("aiops_snapshot_seconds", "How long the last snapshot took", registry=r)
        self.snapshot_bytes = Gauge("aiops_snapshot_bytes", "Size of the last snapshot", registry=r)
        self.series = Gauge("aiops_series", "Series known", registry=r)
        self.forgotten = Counter("aiops_series_forgotten", "Silent series forgotten to make room", registry=r)
        self.entities = Gauge("aiops_joint_entities", "Entities scored jointly", registry=r)
        self.left_out = Gauge("aiops_joint_left_out", "Series scored only by themselves", ["limit"], registry=r)
        self.requests = Counter("aiops_http_requests", "HTTP requests", ["method", "route", "status"], registry=r)
        self.request_seconds = Histogram(
            "aiops_http_request_seconds", "HTTP requests", ["route"], registry=r, buckets=_SECONDS
        )
        self.in_flight = Gauge("aiops_writes_in_flight", "Writes waiting or at work", registry=r)

    def wrote(self, protocol: str, result: WriteResult, seconds: float) -> None:
        """One write was taken, whole or in part."""
        self.samples.labels(protocol).inc(result.accepted)
        for reason, count in result.refused.items():
            self.refused.labels(protocol, reason.value).inc(count)
        self.ingest_seconds.observe(seconds)

    def budget(self, name: str, per_day: float, bar: float, told_count: int) -> None:
        """How an alert budget stands."""
        self.budget_per_day.labels(name).set(per_day)
        self.budget_bar.labels(name).set(bar)
        self.budget_told.labels(name).set(told_count)

    def own(self, detectors: OwnDetectors) -> None:
        """How the detectors stand that the operator brought."""
        self.own_refused.set(detectors.refused_count)
        for name, count in detectors.series_count.items():
            self.own_series.labels(name).set(count)
            self.own_failed.labels(name).set(detectors.failed_count[name])

    def joint(self, entity_count: int, beyond_entities: int, beyond_metrics: int) -> None:
        """How many entities are scored jointly, and how many series find no place there now."""
        self.entities.set(entity_count)
        self.left_out.labels("joint_entities_max").set(beyond_entities)
        self.left_out.labels("joint_metrics_max").set(beyond_metrics)

    def set_aside(self, statuses: NDArray[np.uint8]) -> None:
        """`Status` of samples; those that are kept without a score are counted, the refused are counted elsewhere."""
        for status, count in enumerate(np.bincount(statuses).tolist()):
            if count and status in UNSCORED:
                self.unscored.labels(Status(status).name.lower()).inc(count)

    def snapshot(self, time_s: float, seconds: float, size: int) -> None:
        """One snapshot is on disk."""
        self.snapshot_time.set(time_s)
        self.snapshot_seconds.set(seconds)
        self.snapshot_bytes.set(size)

    def text(self) -> bytes:
        """Prometheus text format."""
        return generate_latest(self.registry)
