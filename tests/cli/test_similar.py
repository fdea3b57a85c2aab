"""`aiops similar` and `aiops index`: files in, the most similar past tickets out."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aiops.cli import app

PAST = """id,title,body,created_at,resolution
1,VPN drops,It disconnects every ten minutes,2026-01-01T10:00:00Z,new MTU
2,Printer jam,Paper is stuck in tray 2,2026-01-02T10:00:00Z,
3,vpn unstable,the tunnel disconnects all the time,2026-01-03T10:00:00Z,
4,vpn drops again,it disconnects every ten minutes,2026-01-03T10:00:00Z,
"""


@pytest.fixture
def past(tmp_path: Path) -> Path:
    path = tmp_path / "past.csv"
    path.write_text(PAST)
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_only_older_ones_and_never_itself_are_found(past: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    run("similar", "--corpus", past, "--queries", past, "--top", 2, "--out", out)
    with out.open(newline="") as file:
        rows = [(row["query_id"], row["rank"], row["id"]) for row in csv.DictReader(file)]
    assert rows[0] == ("2", "1", "1"), "the first ticket has nothing before it"
    assert rows[1] == ("3", "1", "1")
    assert ("4", "1", "1") in rows and ("4", "2", "3") in rows, "of the same time, in a row before it"


def test_a_text_finds_what_was_indexed(past: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOPS_SERVER_DATA_DIR", str(tmp_path / "data"))
    run("index", past)
    first = json.loads(run("similar", "vpn drops every ten minutes", "--json").splitlines()[0])
    assert first["item_id"] in ("1", "4") and first["resolution"] == "new MTU"
    assert "new MTU" in run("similar", "vpn drops every ten minutes")


def test_a_file_with_semicolons_is_read_and_numbers_with_zeros_stay_what_they_are(tmp_path: Path) -> None:
    file, to = tmp_path / "past.csv", tmp_path / "found.csv"
    file.write_text("id;title;created_at\n007;printer jam in tray 2;2026-01-01\n008;tray 2 jams;2026-01-02 10:00\n")
    result = CliRunner().invoke(app, ["similar", "--corpus", str(file), "--queries", str(file), "--out", str(to)])
    assert result.exit_code == 0, result.output
    with to.open() as text:
        assert [(row["query_id"], row["id"]) for row in csv.DictReader(text)] == [("008", "007")]


def test_what_is_wrong_is_told(past: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOPS_SERVER_DATA_DIR", str(tmp_path / "data"))
    odd = tmp_path / "odd.csv"
    odd.write_text("a,b\n1,2\n")
    for arguments, told in (
        (["similar"], "give a text"),
        (["similar", "x", "--corpus", str(past)], "give a text"),
        (["similar", "x"], "no past tickets in"),
        (["similar", "--corpus", str(odd), "--queries", str(past), "--out", str(tmp_path / "o.csv")], "no column id"),
        (["index", str(tmp_path / "none.csv")], "none.csv"),
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2 and told in result.output, arguments
