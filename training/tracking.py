"""The one file that knows MLflow: runs, registry, and the way back to a bundle that serving loads without it.

    python -m training.tracking push                        what could not be sent while the server was down
    python -m training.tracking promote acme 3              the alias `champion`, if the gate said so (or --force "why")
    python -m training.tracking export acme --out models/acme          the champion's bundle, its digest checked

What a training has to say is written to a folder first (`mlflow-pending/`), whole, and then sent; a server that is down
costs nothing but a later `push`. Without `--uri` or MLFLOW_TRACKING_URI everything goes to ./mlflow.db: `mlflow ui
--backend-store-uri sqlite:///mlflow.db` shows it. Models are kept as the bundle's own files behind a loader module
(`triage_pyfunc`), never as a pickle, so that `mlflow models predict --env-manager local` and serving run the same code.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx2

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from aiops.errors import AiopsError, BundleError, InputError
from aiops.tickets import bundle
from aiops.tickets.encoder import Encoder
from training.evaluate import as_json, verdict_json
from training.feature_report import feature_report
from training.plots import save_all
from training.triage import Trained

HERE = Path(__file__).parent
EXPERIMENT = "triage"
PENDING = Path("mlflow-pending")
RECORD = "record.json"
LOCAL = "sqlite:///mlflow.db"
RECORD_TAG = "aiops.record"
PARAM_CHARS_MAX = 6000  # MLflow's own limit; longer ones are cut
HEALTH_S = 3.0
REQUIREMENTS = (
    "google-re2", "numba", "numpy", "onnxruntime", "pandas", "py3langid", "pyarrow", "pydantic", "safetensors",
    "tokenizers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One run, ready to be sent; `artifacts/` and `model/` lie beside it. `parent`: the record it is a part of."""

    id: str
    experiment: str
    name: str
    started_ms: int
    ended_ms: int
    parent: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[Mapping[str, str]] = ()  # name, digest, context
    model: Mapping[str, str] = field(default_factory=dict)  # name, digest, gate


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a record went; `version` of the registered model, "" where it has none."""

    run_id: str
    version: str


def uri_of(given: str = "") -> str:
    """Where runs go: what is given, else MLFLOW_TRACKING_URI, else a file here."""
    return given or os.environ.get("MLFLOW_TRACKING_URI", "") or LOCAL


def record(
    trained: Trained,
    encoder: Path,
    params: Mapping[str, Any],
    seconds: float,
    parent: str = "",
    with_model: bool = True,
    pending: Path = PENDING,
) -> Path:
    """Writes all that is known of a training to a folder of its own; nothing is sent."""
    now = int(time.time() * 1000)
    folder = pending / uuid.uuid4().hex
    draft = pending / f".{folder.name}"
    artifacts = draft / "artifacts"
    artifacts.mkdir(parents=True)
    for name in ("card.md", "report.json"):
        shutil.copy(trained.folder / name, artifacts / name)
    used = Encoder.load(encoder)
    loaded = bundle.load(trained.folder, used)
    (artifacts / "features.md").write_text(feature_report(loaded.classifier, loaded.idf, trained.table.read()[1]))
    for name, judged in (trained.candidate.judged if trained.candidate else {}).items():
        save_all(judged, name, artifacts / "plots")
    if trained.verdict:
        (artifacts / "verdict.txt").write_text(trained.verdict.text + "\n")
        (artifacts / "verdict.json").write_text(json.dumps(verdict_json(trained.verdict), indent=2) + "\n")
    if with_model:
        save_model(trained.folder, encoder, draft / "model")
    gate = "" if trained.verdict is None else "promote" if trained.verdict.is_promoted else "refuse"
    datasets = [{"name": str(params.get("data", "tickets")), "digest": trained.fingerprint, "context": "train"}]
    if trained.judged_by:
        datasets.append(
            {
                "name": str(params.get("validation", "held back")),
                "digest": trained.judged_by,
                "context": "validation",
            }
        )
    made = Record(
        folder.name,
        EXPERIMENT,
        f"{trained.name}-{trained.version}",
        now - int(seconds * 1000),
        now,
        parent,
        {key: str(value)[:PARAM_CHARS_MAX] for key, value in params.items()} | {"encoder": used.digest},
        _metrics(trained),
        {"digest": trained.digest, "gate": gate, "decided_by": trained.verdict.decided_by if trained.verdict else ""},
        datasets,
        {"name": trained.name, "digest": trained.digest, "gate": gate} if with_model else {},
    )
    (draft / RECORD).write_text(json.dumps(asdict(made), indent=2, ensure_ascii=False) + "\n")
    draft.rename(folder)
    return folder


def _metrics(trained: Trained) -> dict[str, float]:
    found = {"tickets": float(len(trained.table)), "fit_s": trained.fit_s, "problems": float(len(trained.problems))}
    for name, one in as_json(trained.figures).items():
        found |= {f"{name}.{key}": float(value) for key, value in one.items() if isinstance(value, int | float)}
    if trained.candidate and trained.candidate.latency_ms is not None:
        found["latency_ms"] = trained.candidate.latency_ms
    if trained.candidate and trained.candidate.bytes is not None:
        found["bytes"] = float(trained.candidate.bytes)
    return found


def save_model(folder: Path, encoder: Path, to: Path) -> None:
    """The pyfunc flavour: the bundle's and the encoder's own files, and the code that runs them."""
    manifest = json.loads((folder / bundle.MANIFEST).read_text())
    text = manifest["about"].get("text", ["title", "body"])
    names = [one["name"] for one in manifest["outputs"] if one["name"] != "scope"]
    kinds = (("", DataType.string), ("_probability", DataType.double), ("_abstained", DataType.boolean),
             ("_top", DataType.string))  # fmt: skip
    answers = [ColSpec(kind, f"{name}{suffix}") for name in names for suffix, kind in kinds]
    answers.append(ColSpec(DataType.boolean, "is_ticket"))
    if "urgency" in names:
        answers.append(ColSpec(DataType.string, "priority"))
    signature = ModelSignature(
        Schema([ColSpec(DataType.string, name, required=False) for name in text]),
        Schema(answers),
        ParamSchema([ParamSpec("precision", DataType.double, 0.9)]),
    )
    with tempfile.TemporaryDirectory() as parent:
        data = Path(parent) / "data"
        shutil.copytree(folder, data / "bundle")
        shutil.copytree(encoder, data / "encoder")
        code = Path(shutil.copytree(HERE.parent / "src" / "aiops", Path(parent) / "aiops", ignore=_no_caches))
        mlflow.pyfunc.save_model(
            str(to), loader_module="triage_pyfunc", data_path=str(data), signature=signature,
            code_paths=[str(HERE / "triage_pyfunc.py"), str(code)], pip_requirements=list(REQUIREMENTS),
        )  # fmt: skip


_no_caches = shutil.ignore_patterns("__pycache__")


def send(folder: Path, uri: str = "") -> Sent:
    """One record to the server; its folder is removed once all of it is there. Raises MlflowException, OSError."""
    uri = uri_of(uri)
    _reach(uri)
    made = Record(**json.loads((folder / RECORD).read_text()))
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = _experiment(client, made.experiment, uri)
    for old in _runs(client, experiment, made.id):
        client.delete_run(old.info.run_id)  # half sent when the server went away
    tags = dict(made.tags) | {RECORD_TAG: made.id, "mlflow.runName": made.name}
    if made.parent:
        parents = _runs(client, experiment, made.parent)
        tags |= {"mlflow.parentRunId": parents[0].info.run_id} if parents else {}
    run = client.create_run(experiment, start_time=made.started_ms, tags=tags)
    run_id = run.info.run_id
    metrics = [Metric(key, value, made.ended_ms, 0) for key, value in made.metrics.items()]
    client.log_batch(run_id, metrics, [Param(key, value) for key, value in made.params.items()])
    inputs = []
    for one in made.datasets:
        source = CodeDatasetSource(tags={"name": one["name"]})
        data = MetaDataset(source, name=one["name"][:500], digest=one["digest"])
        inputs.append(DatasetInput(data._to_mlflow_entity(), [InputTag("mlflow.data.context", one["context"])]))
    client.log_inputs(run_id, inputs)
    client.log_artifacts(run_id, str(folder / "artifacts"))
    version = _register(client, made, folder, run) if made.model else ""
    client.set_terminated(run_id, "FINISHED", made.ended_ms)
    shutil.rmtree(folder)
    return Sent(run_id, version)


def _register(client: Any, made: Record, folder: Path, run: Any) -> str:
    client.log_artifacts(run.info.run_id, str(folder / "model"), "model")
    name = made.model["name"]
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {"digest": made.model["digest"], "gate": made.model["gate"]}
    source = f"{run.info.artifact_uri}/model"
    version = str(client.create_model_version(name, source, run.info.run_id, tags=tags).version)
    client.set_registered_model_alias(name, "challenger", version)
    return version


def _experiment(client: Any, name: str, uri: str) -> str:
    found = client.get_experiment_by_name(name)
    if found:
        return str(found.experiment_id)
    place = None
    if uri.startswith("sqlite:///"):
        place = (Path(uri.removeprefix("sqlite:///")).absolute().parent / "mlruns").as_uri()
    return str(client.create_experiment(name, artifact_location=place))


def _runs(client: Any, experiment: str, record_id: str) -> list[Any]:
    return list(client.search_runs([experiment], filter_string=f"tags.`{RECORD_TAG}` = '{record_id}'"))


def _reach(uri: str) -> None:
    """A server that is down is noticed in seconds, not after MLflow's minutes of trying again."""
    if uri.startswith(("http://", "https://")):
        try:
            httpx2.get(f"{uri.rstrip('/')}/health", timeout=HEALTH_S)
        except httpx2.HTTPError as error:
            raise ConnectionError(f"no MLflow server at {uri}: {error}") from None


def push(uri: str = "", pending: Path = PENDING) -> list[Sent]:
    """Sends all that waits, parents first. Raises MlflowException, OSError; what is not sent then waits on."""
    waiting = [path.parent for path in pending.glob(f"*/{RECORD}") if not path.parent.name.startswith(".")]
    made = [(json.loads((folder / RECORD).read_text()), folder) for folder in waiting]
    made.sort(key=lambda pair: (bool(pair[0]["parent"]), pair[0]["started_ms"]))
    return [send(folder, uri) for _, folder in made]


def sent_or_kept(folders: Sequence[Path], uri: str = "") -> tuple[list[Sent], str]:
    """Sends what a training wrote; where the server is down the folders stay, and the sentence says so."""
    sent: list[Sent] = []
    for folder in folders:
        try:
            sent.append(send(folder, uri))
        except (MlflowException, OSError) as error:
            first = str(error).splitlines()[0]
            return sent, f"{first}; kept in {folder.parent}: python -m training.tracking push sends it later"
    return sent, ""


def promote(name: str, version: str, force: str | None = None, uri: str = "") -> None:
    """Makes a version the champion. Raises InputError where the gate did not say so and no reason is given."""
    client = MlflowClient(tracking_uri=uri_of(uri), registry_uri=uri_of(uri))
    try:
        found = client.get_model_version(name, version)
    except MlflowException as error:
        raise InputError(f"{name} {version}: {error.message}") from None
    gate = found.tags.get("gate", "")
    if gate != "promote":
        if force is None or not force.strip():
            why = "the gate refused it" if gate == "refuse" else "it was never compared with a champion"
            raise InputError(f"{name} {version}: {why}; --force needs a reason")
        client.set_model_version_tag(name, version, "forced", force.strip())
    client.set_registered_model_alias(name, "champion", version)


def export(name: str, out: Path, version: str = "", alias: str = "champion", uri: str = "") -> Path:
    """The registered bundle as a folder that serving loads: `out`/<version>. Raises InputError where there is none,
    BundleError where it is not what was registered."""
    client = MlflowClient(tracking_uri=uri_of(uri), registry_uri=uri_of(uri))
    try:
        found = client.get_model_version(name, version) if version else client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        raise InputError(f"{name}: no version {version or alias}: {error.message}") from None
    with tempfile.TemporaryDirectory() as folder:
        got = Path(mlflow.artifacts.download_artifacts(found.source, dst_path=folder, tracking_uri=uri_of(uri)))
        data = got / "data" / "data"
        loaded = bundle.load(data / "bundle", Encoder.load(data / "encoder"))
        if loaded.digest != found.tags.get("digest"):
            raise BundleError(f"{name} {found.version}: its digest is {loaded.digest}, registered was "
                              f"{found.tags.get('digest')}: not exported")  # fmt: skip
        to = out / str(found.version)
        to.parent.mkdir(parents=True, exist_ok=True)
        if to.exists():
            shutil.rmtree(to)
        shutil.copytree(data / "bundle", to)
    return to


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 done, 1 the server cannot be reached, 2 the input is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", default="", help="MLflow server; else MLFLOW_TRACKING_URI, else ./mlflow.db")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("push", help="send what could not be sent")
    one.add_argument("--pending", type=Path, default=PENDING)
    one = commands.add_parser("promote", help="make a version the champion")
    one.add_argument("name")
    one.add_argument("version")
    one.add_argument("--force", help="although the gate did not say so, and why")
    one = commands.add_parser("export", help="write a registered bundle to a folder")
    one.add_argument("name")
    one.add_argument("--version", default="")
    one.add_argument("--alias", default="champion")
    one.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    try:
        if given.command == "push":
            print(f"{len(push(given.uri, given.pending))} sent")
        elif given.command == "promote":
            promote(given.name, given.version, given.force, given.uri)
            print(f"{given.name} {given.version} is the champion")
        else:
            print(export(given.name, given.out, given.version, given.alias, given.uri))
    except AiopsError as error:
        print(f"tracking: {error}", file=sys.stderr)
        return 2
    except (MlflowException, OSError) as error:
        print(f"tracking: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
