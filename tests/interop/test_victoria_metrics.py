"""The benchmark drives a real VictoriaMetrics by the same client as us."""

import shutil
from pathlib import Path

import pytest

from aiops.bench_ingest import bench_ingest

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("victoria-metrics") is None, reason="victoria-metrics is not installed"),
]


def test_the_peer_takes_the_same_requests_as_we_do(tmp_path: Path) -> None:
    figures = bench_ingest(200, 100, 0.5, tmp_path, "victoria-metrics")
    peer = figures["peers"]["victoria-metrics"]
    assert figures["samples_per_cpu_s"] > 0
    assert peer["ours_is_times"] == pytest.approx(figures["samples_per_cpu_s"] / peer["samples_per_cpu_s"], abs=0.02)
