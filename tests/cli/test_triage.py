"""`aiops triage`: a file of tickets in, the same rows with their triage out."""

import csv
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
from typer.testing import CliRunner

from aiops.cli import app

ROWS = [
    {"key": "7", "Title": "VPN drops", "body": "Every ten minutes, since the update.\nI work from home."},
    {"key": "8", "Title": "", "body": "please refund invoice 2214, charged twice"},
    {"key": "9", "Title": "", "body": ""},
]


def test_rows_come_out_where_they_went_in(tmp_path: Path) -> None:
    source, out = tmp_path / "tickets.csv", tmp_path / "triaged.csv"
    with source.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["key", "Title", "body"])
        writer.writeheader()
        writer.writerows(ROWS)
    result = CliRunner().invoke(app, ["triage", str(source), "--out", str(out)])
    assert result.exit_code == 0, result.output
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == ["7", "8", "9"]
    assert rows[0]["body"] == ROWS[0]["body"]
    assert [row["category"] for row in rows[:2]] == ["network", "billing_purchase"]
    assert rows[0]["team"] == "network" and json.loads(rows[0]["team_top"])[0][0] == "network"
    assert [row["is_ticket"] for row in rows] == ["true", "true", "false"]


def test_parquet_and_columns_of_other_names(tmp_path: Path) -> None:
    source, out = tmp_path / "tickets.parquet", tmp_path / "triaged.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"Betreff": ["locked out"], "Inhalt": [None]}), source)
    arguments = ["triage", str(source), "--out", str(out), "--text", "Betreff,Inhalt"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert pyarrow.parquet.read_table(out)["category"].to_pylist() == ["access"]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    source = tmp_path / "tickets.csv"
    source.write_text("a,b\n1,2\n")
    for arguments, told in (
        ([str(source)], "no column of text"),
        ([str(source), "--text", "c"], "no column 'c'"),
        ([str(tmp_path / "none.csv")], "none.csv"),
        ([str(source), "--text", "a", "--bundle", str(tmp_path)], "No such file"),
    ):
        result = CliRunner().invoke(app, ["triage", *arguments, "--out", str(tmp_path / "out.csv")])
        assert result.exit_code == 2
        assert told in result.output
