"""A real server in a process of its own, killed without warning in mid-stream."""

import time
from pathlib import Path

import httpx2
import numpy as np
import pytest

from aiops.metrics.remote_write_encode import encode_write_request
from aiops.metrics.series import canonical
from tests.processes import running_aiops, wait_until

SERIES = [canonical({"__name__": f"m{k}", "service": "web"}) for k in range(6)]


def send(client: httpx2.Client, start_ms: int, first: int, count: int, jump: float = 0.0) -> None:
    body = []
    for k, labels in enumerate(SERIES):
        values = np.random.default_rng((k, first)).normal(50, 1, count) + jump
        body.append((labels, [(start_ms + 15_000 * (first + j), float(v)) for j, v in enumerate(values)]))
    assert client.post("/api/v1/write", content=encode_write_request(body)).status_code == 204


def test_kill_in_mid_stream_loses_no_incident_and_no_learning_before_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOPS_DETECTION_SNAPSHOT_INTERVAL_S", "0.5")
    start_ms = int(time.time() * 1000) - 3 * 3_600_000
    with running_aiops(tmp_path) as (url, process), httpx2.Client(base_url=url, timeout=30) as client:
        send(client, start_ms, 0, 200)
        snapshot = tmp_path / "detector" / "state.bin"
        written = time.time()
        wait_until(lambda: snapshot.exists() and snapshot.stat().st_mtime > written, "a snapshot of the samples")
        send(client, start_ms, 200, 5, jump=500)
        before = client.get("/v1/incidents/INC-1").json()
        process.kill()
        process.wait()
    with running_aiops(tmp_path) as (url, _), httpx2.Client(base_url=url, timeout=30) as client:
        after = client.get("/v1/incidents/INC-1").json()
        assert after["id"] == before["id"]
        assert {alert["series"] for alert in before["alerts"]} <= {alert["series"] for alert in after["alerts"]}
        series = client.get("/v1/series").json()["items"]
        assert len(series) == 6
        assert all(one["samples_seen"] >= 200 for one in series)
        send(client, start_ms, 205, 5, jump=500)
        scores = client.get(f"/v1/series/{series[0]['id']}/samples").json()["samples"]
        assert all(sample["score"] is not None for sample in scores)
        assert [one["id"] for one in client.get("/v1/incidents").json()["items"]] == ["INC-1"]


def test_two_servers_do_not_share_a_data_folder(tmp_path: Path) -> None:
    import subprocess
    import sys

    with running_aiops(tmp_path):
        command = [sys.executable, "-m", "aiops", "serve", "--port", "0", "--data-dir", str(tmp_path)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 2
        assert "in use by another aiops" in second.stderr
