"""MLflow: what a training says arrives, also when the server was down; models come back as they went in."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aiops.desk import ENCODER, shipped_models
from aiops.errors import BundleError, InputError
from aiops.learning.fit import Table
from aiops.tickets import bundle
from aiops.tickets.encoder import Encoder
from aiops.tickets.pipeline import TriagePipeline
from aiops.tickets.ticket import Ticket
from training.examples import picked
from training.tickets import read
from training.triage import Trained, train

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]
DOWN = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def table() -> Table:
    wanted = [one for one in read() if one.category in ("network", "billing_purchase")]
    wanted.sort(key=lambda one: one.title)
    labels = {"queue": [one.category for one in wanted]}
    return picked(Table([one.title for one in wanted], [one.body for one in wanted], labels), range(160))


@pytest.fixture(scope="module")
def trained(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    encoder = Encoder.load(shipped_models() / ENCODER)
    out = tmp_path_factory.mktemp("models") / "acme"
    about = {"data": "made", "text": ["subject", "message"]}
    return train(picked(table, range(100)), out, encoder, about, picked(table, range(100, 160)))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def uri(home: Path) -> str:
    return f"sqlite:///{home}/mlflow.db"


@pytest.fixture(scope="module")
def logged(trained: Trained, home: Path, uri: str) -> Any:
    """Written while the server was down, pushed to one that is up."""
    from training import tracking

    pending = home / "pending"
    whole = tracking.record(trained, shipped_models() / ENCODER, {"data": "made.csv"}, 3.0, pending=pending)
    part = tracking.record(
        trained, shipped_models() / ENCODER, {"share": 0.5}, 1.0, whole.name, with_model=False, pending=pending
    )
    sent, complaint = tracking.sent_or_kept([whole, part], DOWN)
    assert sent == [] and "python -m training.tracking push" in complaint and DOWN in complaint
    assert whole.exists() and part.exists(), "kept"
    done = tracking.push(uri, pending)
    assert not list(pending.iterdir())
    assert tracking.push(uri, pending) == []
    return done


def test_a_run_carries_all_that_is_known(trained: Trained, logged: Any, uri: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(logged[0].run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["data"] == "made.csv"
    assert run.data.metrics["queue.accuracy"] == pytest.approx(trained.figures["queue"].accuracy, abs=1e-4)
    assert run.data.metrics["latency_ms"] > 0
    digests = {one.tags[0].value: one.dataset.digest for one in run.inputs.dataset_inputs}
    assert digests == {"train": trained.fingerprint, "validation": trained.judged_by}
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert {"card.md", "report.json", "features.md", "plots", "model"} <= names
    plots = {Path(one.path).name for one in client.list_artifacts(run.info.run_id, "plots")}
    assert plots == {f"queue_{kind}.png" for kind in ("reliability", "confusion", "coverage")}


def test_a_part_of_a_sweep_hangs_below_it(logged: Any, uri: str) -> None:
    from mlflow import MlflowClient

    part = MlflowClient(tracking_uri=uri).get_run(logged[1].run_id)
    assert part.data.tags["mlflow.parentRunId"] == logged[0].run_id
    assert logged[1].version == ""


def test_a_half_sent_run_is_replaced(trained: Trained, home: Path, uri: str, logged: Any) -> None:
    from mlflow import MlflowClient

    from training import tracking

    folder = tracking.record(trained, shipped_models() / ENCODER, {}, 1.0, pending=home / "half", with_model=False)
    copy = home / "copy" / folder.name
    shutil.copytree(folder, copy)
    tracking.send(folder, uri)
    tracking.send(copy, uri)
    client = MlflowClient(tracking_uri=uri)
    found = client.search_runs(
        [client.get_experiment_by_name("triage").experiment_id], f"tags.`{tracking.RECORD_TAG}` = '{copy.name}'"
    )
    assert len(found) == 1


def test_the_champion_is_exported_as_it_was_registered(trained: Trained, logged: Any, uri: str, tmp_path: Path) -> None:
    from training import tracking

    version = logged[0].version
    with pytest.raises(InputError, match="no version champion"):
        tracking.export("acme", tmp_path, uri=uri)
    with pytest.raises(InputError, match="--force needs a reason"):
        tracking.promote("acme", version, uri=uri)
    with pytest.raises(InputError, match="--force needs a reason"):
        tracking.promote("acme", version, " ", uri=uri)
    tracking.promote("acme", version, "the first of its kind", uri=uri)
    folder = tracking.export("acme", tmp_path / "models", uri=uri)
    assert bundle.load(folder, Encoder.load(shipped_models() / ENCODER)).digest == trained.digest
    assert tracking.export("acme", tmp_path / "models", alias="challenger", uri=uri) == folder


def test_a_bundle_changed_in_the_registry_is_not_exported(logged: Any, uri: str, home: Path, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    from training import tracking

    client = MlflowClient(tracking_uri=uri)
    version = client.get_model_version("acme", logged[0].version)
    client.set_model_version_tag("acme", version.version, "digest", "0" * 64)
    with pytest.raises(BundleError, match="not exported"):
        tracking.export("acme", tmp_path, version.version, uri=uri)
    assert not list(tmp_path.iterdir())
    client.set_model_version_tag("acme", version.version, "digest", version.tags["digest"])


def test_no_model_is_a_pickle(logged: Any, home: Path) -> None:
    files = [path for path in (home / "mlruns").rglob("*") if path.is_file()]
    assert any(path.name == "classifier.safetensors" for path in files)
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib", ".pt", ".bin")]


def test_models_predict_and_triage_agree(trained: Trained, table: Table, logged: Any, uri: str, tmp_path: Path) -> None:
    rows = [
        {"subject": title, "message": body} for title, body in zip(table.titles[100:], table.bodies[100:], strict=True)
    ]
    asked, said = tmp_path / "asked.json", tmp_path / "said.json"
    asked.write_text(json.dumps({"dataframe_records": rows}))
    command = [sys.executable, "-m", "mlflow", "models", "predict", "-m", f"models:/acme/{logged[0].version}", "-i",
               str(asked), "-o", str(said), "-t", "json", "--env-manager", "local"]  # fmt: skip
    subprocess.run(command, check=True, env=os.environ | {"MLFLOW_TRACKING_URI": uri}, cwd=tmp_path, timeout=200)
    predictions = json.loads(said.read_text())["predictions"]
    encoder = Encoder.load(shipped_models() / ENCODER)
    pipeline = TriagePipeline(bundle.load(trained.folder, encoder), encoder, precision=0.9)
    assert len(predictions) == len(rows) == 60
    for row, predicted in zip(rows, predictions, strict=True):
        (answer,) = pipeline.triage([Ticket(row["subject"], row["message"])])
        assert predicted["queue"] == answer.answers["queue"].label
        assert predicted["queue_probability"] == pytest.approx(answer.answers["queue"].probability, abs=1e-6)
        assert predicted["queue_abstained"] == answer.answers["queue"].abstained
