"""The command line: files in and out, exit codes, sentences instead of tracebacks."""

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from aiops.bench import FILL_STEPS, bench_engine, random_walks
from aiops.bench_peers import scaled
from aiops.cli import app

HEADER = "timestamp,value,score,expected,lower,upper,anomalous,alert,kind"


def run(*arguments: str, input: bytes | None = None) -> "subprocess.CompletedProcess[str]":
    result = CliRunner().invoke(app, list(arguments), input=input)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)


def metric(n: int = 400, seed: int = 1) -> pa.Table:
    values = np.random.default_rng(seed).normal(50, 1, n)
    values[-50:] += 500
    times = np.datetime64("2026-01-01T00:00:00") + np.arange(n) * np.timedelta64(300, "s")
    return pa.table({"timestamp": [str(t).replace("T", " ") for t in times], "value": values})


def write_csv(tmp_path: Path, name: str = "metric.csv", table: pa.Table | None = None) -> Path:
    path = tmp_path / name
    pa.csv.write_csv(table or metric(), path, pa.csv.WriteOptions(quoting_style="none"))
    return path


def test_a_file_is_scored_row_by_row_in_its_order(tmp_path: Path) -> None:
    source, out = write_csv(tmp_path), tmp_path / "scored.csv"
    assert run("score", str(source), "--out", str(out)).returncode == 0
    lines = out.read_text().splitlines()
    assert lines[0] == HEADER
    assert len(lines) == 401
    scored = pa.csv.read_csv(out)
    assert [str(t) for t in scored["timestamp"].to_pylist()] == metric()["timestamp"].to_pylist()
    assert scored["score"].null_count == 20
    alerts = np.array(scored["alert"].to_pylist())
    assert (alerts[:350] > 0).sum() <= 2
    assert (alerts[350:352] >= 0.5).any()
    assert set(scored["anomalous"].to_pylist()) == {0, 1}
    kinds = scored["kind"].to_pylist()
    assert any(kind in ("spike", "level_shift") for kind in kinds[350:])


def test_several_files_go_to_a_folder_under_their_names(tmp_path: Path) -> None:
    one = write_csv(tmp_path, "one.csv")
    two = tmp_path / "two.parquet"
    pq.write_table(metric(seed=2).append_column("label", [[0] * 400]), two)
    assert run("score", str(one), str(two), "--out", str(tmp_path / "scored")).returncode == 0
    assert (tmp_path / "scored" / "one.csv").exists()
    scored = pq.read_table(tmp_path / "scored" / "two.parquet")
    assert scored.column_names == [*HEADER.split(","), "label"]
    assert scored.num_rows == 400


def test_a_folder_keeps_its_tree(tmp_path: Path) -> None:
    for name in ("x/same.csv", "y/same.csv"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        write_csv(tmp_path / "in", name)
    assert run("score", str(tmp_path / "in"), "--out", str(tmp_path / "out")).returncode == 0
    assert {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.csv")} == {
        "x/same.csv",
        "y/same.csv",
    }
    (tmp_path / "none").mkdir()
    assert "no CSV" in run("score", str(tmp_path / "none"), "--out", str(tmp_path / "out")).stderr


def test_series_in_one_file_are_scored_apart(tmp_path: Path) -> None:
    both = pa.concat_tables([metric(seed=k).append_column("host", [[host] * 400]) for k, host in enumerate("ab")])
    order = np.argsort(np.tile(np.arange(400), 2), kind="stable")
    source, out = write_csv(tmp_path, "both.csv", both.take(order)), tmp_path / "out.csv"
    assert run("score", str(source), "--out", str(out)).returncode == 0
    scored = pa.csv.read_csv(out)
    alone = tmp_path / "alone.csv"
    run("score", str(write_csv(tmp_path, "a.csv", metric(seed=0))), "--out", str(alone))
    first = scored.filter(pa.compute.equal(scored["host"], "a"))
    assert first["score"].to_pylist() == pa.csv.read_csv(alone)["score"].to_pylist()


def test_pipes_in_and_out(tmp_path: Path) -> None:
    source = write_csv(tmp_path)
    command = [sys.executable, "-m", "aiops", "score", "-"]
    done = subprocess.run(command, input=source.read_bytes(), capture_output=True, timeout=120, check=True)
    assert pa.csv.read_csv(io.BytesIO(done.stdout)).num_rows == 400


def test_a_pipe_gets_one_header_though_some_text_needs_quotes(tmp_path: Path) -> None:
    notes = [f"note {k % 3}" + ", more" * (k == 300) for k in range(400)]
    source = tmp_path / "notes.csv"
    pa.csv.write_csv(metric().append_column("host", pa.array(notes)), source)
    command = [sys.executable, "-m", "aiops", "score", "-"]
    done = subprocess.run(command, input=source.read_bytes(), capture_output=True, timeout=120, check=True)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 401
    assert pa.csv.read_csv(io.BytesIO(done.stdout))["host"].to_pylist() == notes


def test_a_bad_row_stops_with_its_place_or_is_skipped_on_request(tmp_path: Path) -> None:
    source = tmp_path / "bad.csv"
    source.write_text("timestamp,value\n" + "".join(f"{60 * k},{k % 7}\n" for k in range(1, 50)) + "noon,3\n3600,4\n")
    failed = run("score", str(source), "--out", str(tmp_path / "o.csv"))
    assert failed.returncode == 2
    assert "row 51, column 'timestamp': 'noon'" in failed.stderr.replace("\n", " ")
    assert not (tmp_path / "o.csv").exists()
    done = run("score", str(source), "--out", str(tmp_path / "o.csv"), "--skip-bad-rows")
    assert done.returncode == 0
    assert "noon" in done.stderr
    assert "30 of 51 rows have a score; 1 series\n" in done.stderr
    assert "no score: 20 warming up (the first 20 samples of a series), 1 skipped\n" in done.stderr
    lines = (tmp_path / "o.csv").read_text().splitlines()
    assert lines[50] == "noon,3,,,,,0,,"
    assert not lines[51].startswith("3600,4,,")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.csv", "--out", "x.csv"], "no such file"),
        (["a.csv"], "--out"),
        (["a.csv", "sub/a.csv", "--out", "scored"], "same name"),
        (["a.csv", "--out", "b.csv", "--label", "zone"], "no column 'zone'"),
        (["a.csv", "--out", "a.csv"], "overwritten"),
        (["nope[red].csv", "--out", "x.csv"], "nope[red].csv: no such file"),
        (["a.csv", "b.csv", "--out", "scored.csv"], "names a file, but several"),
        (["scored.csv", "--out", "x.csv"], "scored.csv: its own column score would be overwritten"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_exit_code_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path, "a.csv")
    write_csv(tmp_path, "scored.csv", metric(30).append_column("score", [[1] * 30]))
    done = run("score", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("order", ["newest first", "shuffled"])
def test_the_order_of_rows_does_not_matter(tmp_path: Path, order: str) -> None:
    one = metric(400)
    rows = np.arange(400)[::-1] if order == "newest first" else np.random.default_rng(5).permutation(400)
    run("score", str(write_csv(tmp_path, "a.csv", one)), "--out", str(tmp_path / "in_order.csv"))
    done = run("score", str(write_csv(tmp_path, "a.csv", one.take(rows))), "--out", str(tmp_path / "other.csv"))
    assert "380 of 400 rows have a score" in done.stderr
    assert pa.csv.read_csv(tmp_path / "other.csv").equals(pa.csv.read_csv(tmp_path / "in_order.csv").take(rows))


def test_the_summary_says_which_rows_have_no_score_and_why(tmp_path: Path) -> None:
    lines = [f"{60 * k},{k % 7},{host}" for k in range(1, 61) for host in "ab"]
    lines += ["1800,2,a", "1860,999,a", "3700,NaN,b"]
    source = tmp_path / "m.csv"
    source.write_text("timestamp,value,host\n" + "\n".join(lines) + "\n")
    done = run("score", str(source), "--out", str(tmp_path / "o.csv"))
    assert "80 of 123 rows have a score; 2 series told apart by host\n" in done.stderr
    for said in ("40 warming up", "1 without a finite value", "1 repeated (same time", "1 conflicting"):
        assert said in done.stderr
    assert "warning" not in done.stderr
    twice = run("score", str(source), str(write_csv(tmp_path)), "--out", str(tmp_path / "scored"))
    assert "460 of 523 rows of 2 files have a score; 3 series told apart by host\n" in twice.stderr


def test_few_scores_are_a_warning(tmp_path: Path) -> None:
    source = tmp_path / "m.csv"
    source.write_text("timestamp,value,tag\n" + "".join(f"{60 * k},{k % 7},t{k % 30}\n" for k in range(300)))
    done = run("score", str(source), "--out", str(tmp_path / "o.csv"))
    assert done.returncode == 0
    assert "0 of 300 rows have a score; 30 series told apart by tag" in done.stderr
    assert "warning: few rows have a score: 10.0 rows a series; if tag should not" in done.stderr


def test_free_text_passes_through_and_is_named(tmp_path: Path) -> None:
    source = tmp_path / "m.csv"
    source.write_text("timestamp,value,note\n" + "".join(f"{60 * k},{k % 7},order {k}\n" for k in range(300)))
    done = run("score", str(source), "--out", str(tmp_path / "o.csv"))
    assert "280 of 300 rows have a score; 1 series\n" in done.stderr
    assert "note: free text" in done.stderr
    assert (tmp_path / "o.csv").read_text().splitlines()[300].endswith(",order 299")


def test_packed_files_stay_packed_and_delimiters_stay(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "m.csv.gz").write_bytes(gzip.compress(b"timestamp;value\n1;2\n2;3\n"))
    assert run("score", str(folder), "--out", str(tmp_path / "out")).returncode == 0
    lines = gzip.decompress((tmp_path / "out" / "m.csv.gz").read_bytes()).decode().splitlines()
    assert lines == [HEADER.replace(",", ";"), "1;2;;;;;0;0;", "2;3;;;;;0;0;"]


def test_parquet_through_a_pipe_is_scored(tmp_path: Path) -> None:
    pq.write_table(metric(), tmp_path / "m.parquet")
    done = subprocess.run(
        [sys.executable, "-m", "aiops", "score", "-"],
        input=(tmp_path / "m.parquet").read_bytes(), capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    assert pa.csv.read_csv(io.BytesIO(done.stdout)).num_rows == 400


def test_other_column_names_are_given_as_options(tmp_path: Path) -> None:
    source = write_csv(tmp_path, table=metric().rename_columns(["when", "load"]))
    assert "--time-column" in run("score", str(source), "--out", str(tmp_path / "o.csv")).stderr
    options = ("--time-column", "when", "--value-column", "load")
    done = run("score", str(source), "--out", str(tmp_path / "o.csv"), *options)
    assert done.returncode == 0
    assert (tmp_path / "o.csv").read_text().splitlines()[0] == HEADER
    assert "400 samples" in run("backtest", str(source), *options).stdout


def test_config_shows_values_and_where_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIOPS_SERVER_PORT", "9999")
    monkeypatch.setenv("COLUMNS", "300")
    done = run("config")
    assert "9999" in done.stdout
    assert "AIOPS_SERVER_PORT" in done.stdout
    monkeypatch.setenv("AIOPS_SERVER_PROT", "1")
    assert "did you mean server.port" in run("config").stderr.replace("\n", " ")


def test_config_shows_whole_names_one_setting_a_line() -> None:
    command = [sys.executable, "-m", "aiops", "config"]
    environ = {**os.environ, "COLUMNS": "80", "AIOPS_INGEST_SERIES_MAX": "7"}
    lines = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "ingest.series_max = 7  # AIOPS_INGEST_SERIES_MAX; new series beyond" in lines
    assert all(" = " in line for line in lines.splitlines())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[detection.rules]]\nmatch = \"{a=~'('}\"\nlimit = 1", "detection.rules.0.match"),
        ('[[detection.detectors]]\nmatch = "a"\nname = "river.anomaly.Nothing"', "detection.detectors.0"),
        ('[[detection.budgets]]\nmatch = "{a"\nalerts = "1 per day"', "detection.budgets.0.match"),
    ],
)
def test_config_refuses_what_the_service_would(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "aiops.toml").write_text(text)
    done = run("config", "--config", str(tmp_path / "aiops.toml"))
    assert done.returncode == 2 and said in done.stderr.replace("\n", " "), done


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_cannot_be_is_refused(port: str) -> None:
    done = run("serve", "--port", port)
    assert done.returncode == 2
    assert "Invalid value for '--port'" in done.stderr


def test_a_missing_driver_is_one_sentence_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as where the extra is not installed
    monkeypatch.setenv("AIOPS_STORE_URL", "postgres://ann:hunter22@localhost/aiops")
    done = run("serve", "--port", "0", "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'aiops[postgres]'" in done.stderr
    assert "hunter22" not in done.stderr


def test_cleaning_leaves_the_data_of_the_service() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    (command,) = [line for line in makefile.splitlines() if "rm -rf" in line]
    assert "data" not in command.split()


def test_a_wrong_setting_names_its_section(tmp_path: Path) -> None:
    (tmp_path / "aiops.toml").write_text("[ingest]\nseries_maxx = 5\n")
    assert "[ingest] series_maxx: unknown setting" in run("config", "--config", str(tmp_path / "aiops.toml")).stderr
    (tmp_path / "aiops.toml").write_text("series_max = 5\n")
    assert "under [server], [ingest]" in run("config", "--config", str(tmp_path / "aiops.toml")).stderr


def test_bench_prints_one_json_object() -> None:
    done = run("bench", "engine", "--series", "50", "--seconds", "0.2")
    figures = json.loads(done.stdout)
    assert f"{50 * figures['bytes_per_series'] / 2**20:.1f} MiB of state" in done.stderr
    assert set(figures) == {
        "samples", "seconds", "cpu_seconds", "samples_per_s", "samples_per_cpu_s", "bytes_per_series", "peak_rss_bytes",
        "threads",
    }  # fmt: skip
    assert figures["samples"] > 0


def test_bench_engine_stands_beside_its_peers() -> None:
    pytest.importorskip("river", reason="the river extra is not installed")
    peers = json.loads(run("bench", "engine", "--series", "50", "--seconds", "0.2", "--peers").stdout)["peers"]
    assert set(peers) == {
        "MinMaxScaler | HalfSpaceTrees", "HalfSpaceTrees, samples scaled beforehand", "GaussianScorer",
        "PredictiveAnomalyDetection",
    }  # fmt: skip
    assert all(peer["samples_per_cpu_s"] > 0 for peer in peers.values())


def test_peers_get_the_samples_that_our_engine_got() -> None:
    first: list[float] = []
    bench_engine(3, 0.01, first=first)
    walks = random_walks(3)
    assert len(first) > FILL_STEPS
    assert first == [next(walks)[0] for _ in first]
    assert min(scaled(first)) == 0 and max(scaled(first)) == 1


def test_bench_ingest_drives_a_real_server() -> None:
    done = run("bench", "ingest", "--series", "120", "--samples-per-request", "50", "--seconds", "0.5")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["samples"] > 0
    assert figures["series"] == 120


def test_bench_desk_triages_by_a_real_service() -> None:
    done = run("bench", "desk", "--requests", "32")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert 0 < figures["tokens_40"]["triage_p50_ms"] < figures["tokens_40"]["p50_ms"]
    assert figures["tokens_128"]["p50_ms"] > figures["tokens_40"]["p50_ms"]
    assert figures["batches_of_32"]["tickets_per_cpu_s"] > 0 < figures["ready_s"]


def test_bench_snapshot_saves_and_restores_while_samples_arrive() -> None:
    figures = json.loads(run("bench", "snapshot", "--series", "3000").stdout)
    while_saving = {
        "save_seconds", "samples_per_s", "longest_pause_ms", "longest_request_ms", "requests_meanwhile",
    }  # fmt: skip
    assert set(figures) == {
        "series", "restore_seconds", "bytes", "bytes_per_s", "as_fast_as_possible", *while_saving,
    }  # fmt: skip
    assert set(figures["as_fast_as_possible"]) == while_saving
    assert figures["bytes"] > 3000


def test_bench_ingest_says_which_peer_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    done = run("bench", "ingest", "--peer", "victoria-metrics")
    assert done.returncode == 2
    assert "apt-get install victoria-metrics" in done.stderr


def test_the_demonstration_ends_with_one_line_of_figures() -> None:
    done = run("demo", "--json", "--days", "6", "--seed", "2")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    figures = json.loads(line)
    assert "faults begin on" in done.stderr
    opened = [text for text in done.stderr.splitlines() if " INC-" in text and "│" not in text]
    counts = [int(text.split("│")[2]) for text in done.stderr.splitlines() if text.startswith(("│ a ", "│ false"))]
    assert len(counts) == 4
    assert sum(counts[2:]) == figures["false_incidents"]
    assert "while learning the fleet" in done.stderr
    assert sum(counts) == len(opened)
    of_tickets = ("tickets", "tickets_linked_rightly", "tickets_of_found_faults", "tickets_linked_wrongly")
    of_faults = ("faults_injected", "faults_found", "false_incidents", "simulated_days", "median_delay_s")
    assert set(figures) == {*of_faults, *of_tickets}
    sent, rightly, found, wrongly = (figures[name] for name in of_tickets)
    assert f"{sent} tickets: {rightly} of {found} about a found fault linked to it; {wrongly} about" in done.stderr
    assert 0 < rightly <= found <= sent // 2
    assert wrongly <= sent // 2
    assert figures["simulated_days"] == 6
    assert figures["faults_injected"] == 5
    assert figures["faults_found"] >= 3


def test_a_terminated_demonstration_leaves_no_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aiops", "demo", "--days", "365"]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while "faults begin" not in (line := process.stdout.readline()):
            assert line
        assert list(tmp_path.glob("aiops-demo-*"))
        process.terminate()
        process.stdout.read()
        assert process.wait(60) != 0
    assert not list(tmp_path.glob("aiops-demo-*"))
