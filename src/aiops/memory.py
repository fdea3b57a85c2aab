"""How much memory the service will take at most, known before the first sample: its limits times what each costs.

Beside the detectors' rows, a series costs its labels, its places by row in what watches it, and its share of the tables
that find it: measured, since they depend on its labels.
"""

from typing import Any

from aiops.config import Ingest
from aiops.detection.state import BYTES_PER_SERIES
from aiops.metrics.recent import RecentSamples

LABEL_BYTES = 2600  # of one series with ten labels, and all that is kept by row or by labels
PROGRAM_BYTES = 700 * 2**20  # the first start, which compiles; later ones take a third of it


def memory(settings: Ingest) -> dict[str, Any]:
    """What is said of it at the start: each part in bytes, and the total in GiB with the sum that leads to it."""
    detector_bytes = settings.series_max * BYTES_PER_SERIES
    label_bytes = settings.series_max * LABEL_BYTES
    recent_bytes = settings.recent_samples_max * RecentSamples.bytes_per_sample
    total = detector_bytes + label_bytes + recent_bytes + PROGRAM_BYTES
    each = BYTES_PER_SERIES + LABEL_BYTES
    series = f"series_max {settings.series_max:,} x {each:,} B ({_gib(settings.series_max * each)})"
    return {
        "at_most": f"{_gib(total)} = {series} + recent samples {_gib(recent_bytes)} + program {_gib(PROGRAM_BYTES)}",
        "series_max": settings.series_max,
        "bytes_per_series": BYTES_PER_SERIES,
        "detector_bytes": detector_bytes,
        "recent_bytes": recent_bytes,
        "total_bytes": total,
    }


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
