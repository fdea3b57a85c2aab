"""A replay tells what a live stream would have told."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aiops.backtest.history import FileHistory, read_files
from aiops.backtest.known import KnownIncident, read_known
from aiops.backtest.replay import Backtest, Verdict, replay
from aiops.cli import app
from aiops.config import Settings
from aiops.errors import InputError, TableError
from aiops.metrics.series import canonical
from aiops.metrics.table_file import read_table
from aiops.score import files_of

START_S = 1_767_571_200
HOUR = 60


def write_history(tmp_path: Path, days: int = 3) -> Path:
    """Two metrics of one service, a sample a minute, that jump together in the last hours."""
    n = days * 24 * HOUR
    rng = np.random.default_rng(1)
    rows = ["timestamp,value,series"]
    jump = np.where((np.arange(n) > n - 5 * HOUR) & (np.arange(n) < n - 4 * HOUR), 100.0, 0.0)
    for name in ("latency_ms", "errors"):
        values = rng.normal(50, 1, n) + jump
        rows += [f'{START_S + 60 * k},{v:.4f},"{name}{{service=""web""}}"' for k, v in enumerate(values)]
    path = tmp_path / "history.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def jump_at(days: int = 3) -> tuple[int, int]:
    end = START_S + 60 * (days * 24 * HOUR - 4 * HOUR)
    return end - 3600, end


def files(*paths: Path) -> FileHistory:
    return read_files([pair for path in paths for pair in files_of(path)], read_table, "files")


def known_at(name: str, start_s: float, end_s: float, where: str = "") -> KnownIncident:
    return KnownIncident(name, round(1000 * start_s), round(1000 * end_s), where)


@pytest.fixture
def result(tmp_path: Path, settings: Settings) -> Backtest:
    """The history of `write_history` with three known incidents, of which the first really is."""
    start_s, end_s = jump_at()
    known = [
        known_at("outage", start_s, end_s),
        known_at("elsewhere", start_s, end_s, "db"),
        known_at("other", start_s - 86_400, start_s - 80_000, "web"),
    ]
    return replay(files(write_history(tmp_path)), settings, known, lambda *_: None)


def test_a_known_incident_is_found_and_quiet_days_are_quiet(result: Backtest) -> None:
    assert (result.samples, result.series) == (2 * 3 * 24 * HOUR, 2)
    assert [one.verdict for one in result.known] == [Verdict.FOUND, Verdict.UNSEEN, Verdict.MISSED]
    assert len(result.unknown) <= 1
    assert len(result.incidents) - len(result.unknown) == 1
    found = result.known[0].incident
    assert found and "is 3x its usual" in result.reason(found) and "for 1 hour" in result.reason(found)
    assert 0 <= (result.known[0].delay_ms or 0) <= 15 * 60_000


def test_progress_is_told_as_a_share_of_the_history(tmp_path: Path, settings: Settings) -> None:
    seen: list[tuple[int, float]] = []
    replay(files(write_history(tmp_path, 1)), settings, [], lambda sent, _, done: seen.append((sent, done)))
    assert seen[-1] == (2 * 24 * HOUR, 1.0)
    assert seen == sorted(seen)
    assert [done for _, done in seen] == pytest.approx([sent / (2 * 24 * HOUR) for sent, _ in seen])


def test_an_alert_that_opened_no_incident_is_held_back(tmp_path: Path, settings: Settings) -> None:
    """One metric of many jumps for two minutes: it alerts, but nothing supports it."""
    n = 4 * 24 * HOUR
    values = np.random.default_rng(2).normal(50, 1, n)
    values[-600:-598] += 12
    path = tmp_path / "lonely.csv"
    path.write_text("timestamp,value\n" + "".join(f"{START_S + 60 * k},{v:.4f}\n" for k, v in enumerate(values)))
    at = START_S + 60 * (n - 600)
    result = replay(files(path), settings, [known_at("blip", at, at + 120, "lonely")], lambda *_: None)
    assert [one.verdict for one in result.known] == [Verdict.HELD_BACK]
    assert [one.time_ms // 1000 for one in result.held_back if one.time_ms >= 1000 * at] == [at]


def test_a_known_incident_told_after_its_end_is_late(tmp_path: Path, settings: Settings) -> None:
    start_s, _ = jump_at()
    known = [known_at("outage", start_s - 900, start_s - 60)]
    result = replay(files(write_history(tmp_path)), settings, known, lambda *_: None)
    assert [one.verdict for one in result.known] == [Verdict.LATE]


def test_what_begins_within_an_open_incident_is_told_apart(tmp_path: Path, settings: Settings) -> None:
    _, end_s = jump_at()
    known = [known_at("second", end_s - 900, end_s - 600), known_at("elsewhere", end_s - 900, end_s - 600, "db")]
    result = replay(files(write_history(tmp_path)), settings, known, lambda *_: None)
    assert [one.verdict for one in result.known] == [Verdict.ONGOING, Verdict.UNSEEN]
    assert result.known[0].delay_ms is None
    assert result.summary()["known_found"] == 0


def test_files_of_one_name_are_series_of_their_own(tmp_path: Path, settings: Settings) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "cpu.csv").write_text("timestamp,value\n" + "".join(f"{60 * k},{k}\n" for k in range(30)))
    result = replay(files(tmp_path), settings, [], lambda *_: None)
    assert (result.series, result.samples) == (2, 60)
    (piece,) = files(tmp_path).pieces()
    assert [dict(labels) for labels in piece.labels] == [
        {"__name__": "cpu", "file": "a/cpu.csv"},
        {"__name__": "cpu", "file": "b/cpu.csv"},
    ]


def test_days_without_samples_do_not_count(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "two.csv"
    path.write_text("timestamp,value\n" + "".join(f"{START_S + 86_400 * d + k},1\n" for d in (0, 99) for k in range(9)))
    assert replay(files(path), settings, [], lambda *_: None).days == 2


def test_a_history_can_be_gone_through_again_for_some_series(tmp_path: Path) -> None:
    history = files(write_history(tmp_path, 1))
    errors = canonical({"__name__": "errors", "service": "web"})
    (piece,) = history.pieces_of([errors])
    assert {piece.labels[k] for k in piece.series.tolist()} == {errors}
    assert len(piece.values) == 24 * HOUR


def test_known_incidents_name_their_series_in_any_words(tmp_path: Path) -> None:
    path = tmp_path / "known.csv"
    path.write_text(
        'name,start,end,series\na,1,2,"latency{service=""web""}"\nb,1,2,web\nc,1,2,latency\nd,1,2,\ne,1,2,db\n'
    )
    labels = canonical({"__name__": "latency", "service": "web", "instance": "i1"})
    assert [one.concerns(labels) for one in read_known(path)] == [True, True, True, True, False]


@pytest.mark.parametrize(("row", "said"), [("noon,2", "row 2"), ("3,2", "ends before it starts"), ("1,2,x{", "row 2")])
def test_wrong_known_incidents_name_their_row(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "known.csv"
    path.write_text(f"start,end,series\n{row}\n")
    with pytest.raises(TableError, match=said):
        read_known(path)


def test_known_incidents_without_a_column_say_which_there_are(tmp_path: Path) -> None:
    path = tmp_path / "known.csv"
    path.write_text("begin,end\n1,2\n")
    with pytest.raises(TableError, match=r"known.csv: no column start; it has begin, end"):
        read_known(path)


def test_nothing_that_is_read_is_overwritten_nor_two_things_in_one_file(tmp_path: Path) -> None:
    history = write_history(tmp_path)
    known = tmp_path / "known.csv"
    known.write_text("start,end\n1,2\n")
    page = str(tmp_path / "page.html")
    for options in (["--json", str(history)], ["--json", str(known)], ["--report", page, "--chart", page]):
        before = history.read_bytes(), known.read_bytes()
        done = CliRunner().invoke(app, ["backtest", str(history), "--known", str(known), *options])
        assert done.exit_code == 2 and ("would be overwritten" in done.stderr or "one file" in done.stderr)
        assert (history.read_bytes(), known.read_bytes()) == before


def test_bad_rows_are_skipped_only_where_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "metric.csv"
    path.write_text("timestamp,value\n" + "".join(f"{60 * k},{k % 5}\n" for k in range(1, 99)) + "noon,1\n")
    refused = CliRunner().invoke(app, ["backtest", str(path)])
    assert refused.exit_code == 2 and "--skip-bad-rows" in refused.stderr
    assert "98 samples" in CliRunner().invoke(app, ["backtest", str(path), "--skip-bad-rows"]).stdout


def test_the_command_shows_a_table_and_writes_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_history(tmp_path)
    start_s, end_s = jump_at()
    Path("known.csv").write_text(f"name,start,end\noutage,{start_s},{end_s}\n")
    command = [
        "backtest",
        str(path),
        "--known",
        "known.csv",
        "--json",
        "r.json",
        "--report",
        "r.html",
        "--chart",
        "r.svg",
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "Of 1 known incident: 1 found." in " ".join(done.stdout.split())
    report = json.loads(Path("r.json").read_text())
    (known,) = report["known"]
    assert (known["verdict"], known["found_as"]) == ("found", report["incidents"][-1]["id"])
    assert report["samples"] == 8640
    assert "its usual" in report["incidents"][-1]["reason"]
    assert "What would have alerted" in Path("r.html").read_text()
    assert Path("r.svg").read_text().startswith("<svg")
    for name in ("r.json", "r.html", "r.svg"):
        assert f"written: {tmp_path / name}" in done.stdout.splitlines()


def test_without_a_terminal_nothing_is_written_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["backtest", str(write_history(tmp_path, 1))]).exit_code == 0
    assert not Path("backtest.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say what to replay"),
        (["history.csv", "--prometheus", "http://127.0.0.1:9"], "not both"),
        (["history.csv", "--report", "r.pdf"], "a report is .html"),
        (["history.csv", "--chart", "nowhere/r.svg"], "no such folder"),
        (["history.csv", "--json", "nowhere/r.json"], "no such folder"),
        (["--prometheus", "localhost:9090"], "no URL of a Prometheus"),
        (["--prometheus", "http://127.0.0.1:9", "--header", "Bearer"], "NAME: VALUE"),
        (["--prometheus", "http://127.0.0.1:9", "--bearer-file", "none"], "cannot be read"),
    ],
)
def test_wrong_calls_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_history(tmp_path, 1)
    done = CliRunner().invoke(app, ["backtest", *arguments])
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_an_empty_history_is_said(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "empty.csv").write_text("timestamp,value\n")
    with pytest.raises(InputError, match="no samples"):
        replay(files(tmp_path / "empty.csv"), settings, [], lambda *_: None)
