"""What the service says of one sample, in plain words and numbers that JSON can carry."""

import math
from typing import Any

from aiops.detection.scores import Kind, Scores, Status
from aiops.metrics.timestamp import iso
from aiops.metrics.write_result import Refusal

REFUSED_BY_STATUS = {Status.OUT_OF_ORDER: Refusal.OUT_OF_ORDER, Status.CONFLICT: Refusal.CONFLICT}
WHY = {
    Refusal.OUT_OF_ORDER: "older than the newest sample of its series",
    Refusal.CONFLICT: "the series has another value at this time already; the first one stays",
}
_CALENDAR_END_MS = 253_370_764_800_000  # the year 9999


def score_reply(scores: Scores, k: int, incident: str | None) -> dict[str, Any]:
    """Sample k of a batch; `incident`: the one its series belongs to now."""
    status = Status(int(scores.status[k]))
    reason = REFUSED_BY_STATUS.get(status)
    return {
        "score": known(scores.score[k], 4),
        "expected": known(scores.expected[k]),
        "lower": known(scores.lower[k]),
        "upper": known(scores.upper[k]),
        "anomalous": bool(scores.anomalous[k]),
        "alert": round(float(scores.alert[k]), 4),
        "kind": kind_name(int(scores.kind[k])),
        "incident": incident,
        "status": status.name.lower(),
        "refused": {"reason": reason.value, "detail": WHY[reason]} if reason else None,
    }


def refused_reply(reason: Refusal, sentence: str) -> dict[str, Any]:
    """A sample that was not taken, in the same fields."""
    nothing = dict.fromkeys(("score", "expected", "lower", "upper", "kind", "incident"))
    return {**nothing, "anomalous": False, "alert": 0.0, "status": "refused"} | {
        "refused": {"reason": reason.value, "detail": sentence}
    }


def kind_name(kind: int) -> str | None:
    """`spike`; None where nothing is strange."""
    return Kind(kind).name.lower() if kind else None


def known(value: float, digits: int | None = None) -> float | None:
    """The number, None where it is NaN or infinite (JSON has no word for these)."""
    number = float(value)
    if not math.isfinite(number):
        return None
    return number if digits is None else round(number, digits)


def sample_record(record: Any) -> dict[str, Any]:
    """One remembered sample as the API shows it."""
    return {
        "timestamp": moment(int(record["time_ms"])),
        "value": known(record["value"]),
        "score": known(record["score"], 4),
        "expected": known(record["expected"]),
        "lower": known(record["lower"]),
        "upper": known(record["upper"]),
        "anomalous": bool(record["anomalous"]),
        "kind": kind_name(int(record["kind"])),
    }


def moment(time_ms: int) -> str:
    """ISO 8601, or the bare number where no calendar reaches."""
    return iso(time_ms) if -62_135_596_800_000 <= time_ms < _CALENDAR_END_MS else str(time_ms)
