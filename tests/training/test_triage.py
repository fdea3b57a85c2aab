"""`python -m training.triage` on a table of anybody's, and `aiops triage` with what it made."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aiops.cli import app
from training.tickets import read
from training.triage import main

COLUMNS = ["When", "Betreff", "Inhalt", "Gruppe"]
TRAIN = ["--text", "Betreff,Inhalt", "--target", "queue=Gruppe"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    wanted = [one for one in read() if one.category in ("network", "billing_purchase")]
    tickets = sorted(wanted, key=lambda one: one.title)[:180]
    for name, rows in (("train", tickets[:120]), ("later", tickets[120:])):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(COLUMNS)
            for k, one in enumerate(rows):
                day = k // 20 + (1 if name == "train" else 10)
                out.writerow([f"2026-01-{day:02d}T00:00:00Z", one.title, one.body, one.category])
    return folder


@pytest.fixture(scope="module")
def out(data: Path) -> Path:
    return data / "models" / "acme"


def run(*arguments: object) -> int:
    return main([str(one) for one in arguments])


def test_a_bundle_is_made_judged_and_served(data: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--data", data / "train.csv", "--validation", data / "later.csv", *TRAIN, "--out", out)
    assert run(*arguments) == 0
    told = capsys.readouterr()
    first = json.loads(told.out)
    assert first["version"] == "acme/1" and first["figures"]["queue"]["rows"] == 60
    assert first["figures"]["queue"]["accuracy"] > 0.8
    assert "queue: 2 classes in 120 rows" in told.err
    card = (out / "1" / "card.md").read_text()
    assert "### queue by class" in card and first["digest"] in card
    assert json.loads((out / "1" / "report.json").read_text())["figures"]["queue"]["per_class"]

    assert run(*arguments) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["digest"], again["version"]) == (first["digest"], "acme/1"), "the same model is no new version"
    assert sorted(path.name for path in out.iterdir()) == ["1"]

    served = data / "served.csv"
    result = CliRunner().invoke(app, ["triage", str(data / "later.csv"), "--bundle", str(out), "--out", str(served)])
    assert result.exit_code == 0, result.output
    with served.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["queue"] == row["Gruppe"] for row in rows].count(True) == round(
        60 * first["figures"]["queue"]["accuracy"]
    )
    top = json.loads(rows[0]["queue_top"])
    assert top[0][0] == rows[0]["queue"] and top[0][1] == pytest.approx(float(rows[0]["queue_probability"]), abs=1e-8)
    assert sum(p for _, p in top) == pytest.approx(1)
    assert {row["queue_abstained"] for row in rows} <= {"true", "false"}


def test_the_next_version_is_compared_with_the_one_in_use(
    data: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = data / "few.csv"
    with (data / "train.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    with few.open("w", newline="") as file:
        csv.writer(file).writerows([rows[0], *rows[1:41]])
    arguments = ("--data", few, "--validation", data / "later.csv", *TRAIN, "--out", out, "--champion", out / "1")
    assert run(*arguments) == 1, "learned from a third of the tickets, and judged on too few"
    told = capsys.readouterr()
    assert "REFUSE acme/2 against acme/1: enough tickets" in told.err
    assert json.loads(told.out)["promote"] is False
    assert (out / "2" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--text", "Betreff,Body", "--target", "queue=Gruppe"], "no column 'Body'; there are When, Betreff"),
        (["--text", "Betreff", "--target", "queue=Group"], "no column 'Group'"),
        (["--text", "Betreff", "--target", "queue=When", "--time", "Betreff"], "row 1: column 'Betreff'"),
        (["--text", "Betreff"], "nothing to learn"),
        ([*TRAIN, "--champion", "nowhere"], "--validation"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    data: Path, tmp_path: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data", data / "train.csv", *arguments, "--out", tmp_path / "x") == 2
    said = capsys.readouterr().err
    assert told in said and "Traceback" not in said
    assert not (tmp_path / "x").exists()


def test_a_folder_of_versions_is_served_by_its_newest(tmp_path: Path) -> None:
    from aiops.tickets.bundle import newest

    for version in ("9", "10", "x"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "manifest.json").write_text("{}")
    (tmp_path / "11").mkdir()
    assert newest(tmp_path).name == "10"
    assert newest(tmp_path / "9").name == "9"
    assert newest(tmp_path / "none") == tmp_path / "none"


def test_less_of_the_data_is_tried_too(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--data", data / "train.csv", *TRAIN, "--time", "When", "--out", tmp_path / "y", "--shares", "0.5")
    assert run(*arguments) == 2
    assert "judged on --validation" in capsys.readouterr().err
    assert run(*arguments, "--validation", data / "later.csv") == 0
    assert "of 50% of the tickets (60): queue 0." in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "y").iterdir()] == ["1"], "parts are no versions"
