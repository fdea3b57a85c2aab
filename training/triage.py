"""Labelled tickets -> a bundle that serving loads.

    python -m training.triage --out models/triage/1          the default model, from the tickets we wrote
    python -m training.triage --data tickets.parquet --text title,body --target category=assignment_group \\
        --time created_at --validation newer.parquet --out models/acme
    python -m training.triage --from-store ./data --out models/acme      what was corrected and resolved in the service

Tables are CSV or Parquet. What is wrong with them is told first, then learned, then judged. `--out models/acme/3` is
that version, written anew; `--out models/acme` is the next version of acme, or the newest one again where the digest is
the same: the same data give the same digest, since seeds are fixed, and time and place are not recorded.

From a store, the newest fifth of the decided tickets is kept apart: on these the gate compares the new model with the
champion, logs both to MLflow where that is installed, and says in one screen whether to promote.
"""

import argparse
import importlib.util
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from aiops.desk import CLASSIFIER, shipped_models
from aiops.errors import AiopsError, InputError
from aiops.learning.figures import Figures
from aiops.learning.fit import Table, fit
from aiops.learning.gate import Candidate, Rules, Verdict, decide
from aiops.tickets import bundle
from aiops.tickets.encoder import Encoder
from aiops.tickets.pipeline import NOISE
from training import from_store, recipe
from training import tickets as authored
from training.card import card
from training.evaluate import ENCODER, as_json, candidate_of, figures_of, newest_slice, protected_of, show, verdict_json
from training.examples import examples_of, fingerprint, picked, targets_of
from training.problems import Problem, examined, label_noise, refuse

ENCODED_AT_ONCE = 512
TOLD = {"refused": "bold red", "warning": "yellow", "note": "dim"}


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training made. `figures` is empty where nothing was there to judge by."""

    folder: Path
    name: str
    version: str
    digest: str
    table: Table
    fingerprint: str
    problems: tuple[Problem, ...]
    candidate: Candidate | None
    figures: Mapping[str, Figures]
    verdict: Verdict | None
    fit_s: float
    judged_by: str  # fingerprint of the tickets kept apart; "" where there are none


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be trained, as the options say."""

    table: Table
    validation: Table | None
    champion: Path | None
    about: Mapping[str, Any]
    encoder: Encoder
    rules: Rules


def default_table(tickets: Sequence[authored.AuthoredTicket]) -> Table:
    """Our own tickets; noise teaches `scope` alone."""
    labels = {
        name: [getattr(one, name) if one.category != NOISE else "" for one in tickets] for name in authored.OUTPUTS
    }
    labels["scope"] = [NOISE if one.category == NOISE else "ticket" for one in tickets]
    return Table([one.title for one in tickets], [one.body for one in tickets], labels)


def train(
    table: Table,
    out: Path,
    encoder: Encoder,
    about: Mapping[str, Any],
    validation: Table | None = None,
    champion: Path | None = None,
    rules: Rules | None = None,
    console: Console | None = None,
) -> Trained:
    """Examines, fits, saves and judges; beside the bundle lie its card and its figures. With a champion the gate
    compares both on `validation`. Raises InputError where there is nothing to learn, BundleError."""
    console = console or Console(stderr=True)
    problems = list(examined(table, validation))
    _tell(problems, console)
    refuse(problems)
    whole = fingerprint(table)
    table = picked(table, [k for k in range(len(table)) if (table.titles[k] + table.bodies[k]).strip()])
    with _progress(console) as progress:
        texts = table.read()[1]
        task = progress.add_task("reading", total=len(texts))
        for start in range(0, len(texts), ENCODED_AT_ONCE):  # fit finds the vectors in the encoder's memory
            encoder.encode(texts[start : start + ENCODED_AT_ONCE])
            progress.update(task, completed=min(start + ENCODED_AT_ONCE, len(texts)))
        task = progress.add_task("looking for label errors", total=None)
        judged_labels = {name: labels for name, labels in table.labels.items() if name != "scope"}
        noise = list(label_noise(encoder.encode(texts).sentence, judged_labels))
        progress.update(task, completed=1, total=1)
        _tell(noise, console)
        task = progress.add_task("learning", total=None)
        started = time.perf_counter()
        scope_output = "category" if "category" in table.labels else next(iter(table.labels))
        balanced = [name for name in table.labels if name == "scope"]
        fitted = fit(
            table, encoder, scope_output, balanced, lambda step: progress.update(task, description=escape(step))
        )
        fit_s = time.perf_counter() - started
    counted = {name: dict(Counter(label for label in labels if label)) for name, labels in table.labels.items()}
    told = {"tickets": len(table), "labels": counted, "fingerprint": whole, **about}
    folder, digest = _saved(out, encoder, fitted.idf, fitted.classifier, told)
    name, version = folder.parent.name, folder.name
    candidate = candidate_of(folder, encoder, validation) if validation is not None and len(validation) else None
    found = figures_of(candidate) if candidate else {}
    verdict = None
    if candidate and champion and validation is not None:
        verdict = decide(candidate, candidate_of(champion, encoder, validation), rules)
    judged_by = fingerprint(validation) if candidate and validation is not None else ""
    trained = Trained(
        folder, name, version, digest, table, whole, (*problems, *noise), candidate, found, verdict, fit_s, judged_by
    )
    _write_report(trained)
    return trained


def _saved(out: Path, encoder: Encoder, idf: Any, classifier: Any, about: Mapping[str, Any]) -> tuple[Path, str]:
    """Written beside, then moved into place: a crash leaves no half bundle."""
    is_version = out.name.isdecimal() or (out / bundle.MANIFEST).exists()
    home = out.parent if is_version else out
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".training-") as parent:
        draft = Path(parent) / "bundle"
        digest = bundle.save(draft, home.name, "0", encoder, idf, classifier, about)
        folder = out if is_version else _next(out, digest)
        bundle.save(draft, home.name, folder.name, encoder, idf, classifier, about)
        if folder.exists():
            shutil.rmtree(folder)
        draft.rename(folder)
    return folder, digest


def _next(home: Path, digest: str) -> Path:
    """The next version; the newest again where it is the same model."""
    newest = bundle.newest(home)
    if newest == home:
        return home / "1"
    manifest = json.loads((newest / bundle.MANIFEST).read_text())
    return newest if bundle.digest_of(manifest) == digest else home / str(int(newest.name) + 1)


def _write_report(trained: Trained) -> None:
    text = card(
        f"{trained.name} {trained.version}", trained.digest, trained.table, trained.fingerprint, trained.problems,
        trained.figures, "tickets kept apart", trained.verdict,
    )  # fmt: skip
    (trained.folder / "card.md").write_text(text)
    told: dict[str, Any] = {
        "problems": [
            {"kind": p.kind, "severity": p.severity, "count": p.count, "said": p.said} for p in trained.problems
        ],
        "figures": as_json(trained.figures),
    }
    if trained.verdict:
        told["verdict"] = verdict_json(trained.verdict)
    (trained.folder / "report.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def _tell(problems: Sequence[Problem], console: Console) -> None:
    for one in problems:
        console.print(f"[{TOLD[one.severity]}]{one.kind}:[/] {escape(one.said)}", highlight=False, soft_wrap=True)


def _count(table: Table, console: Console) -> None:
    for name, labels in table.labels.items():
        counts = Counter(label for label in labels if label)
        shown = ", ".join(f"{label} {count:,}" for label, count in counts.most_common(12))
        more = f", and {len(counts) - 12} more" if len(counts) > 12 else ""
        console.print(f"{name}: {len(counts)} classes in {sum(counts.values()):,} rows: {escape(shown)}{more}",
                      highlight=False, soft_wrap=True)  # fmt: skip


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


def parser() -> argparse.ArgumentParser:
    """Every option."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--recipe", type=Path, help="TOML file of these options")
    made.add_argument("--out", type=Path, help="folder NAME or NAME/VERSION of the bundle")
    made.add_argument("--data", type=Path, help="CSV or Parquet; without it the tickets we wrote")
    made.add_argument(
        "--validation", type=Path, help="a table of the same columns to judge by, newer where times exist"
    )
    made.add_argument("--from-store", metavar="PLACE", help="data_dir of the service or its store.url, not --data")
    made.add_argument("--tenant", help="of the store, these tickets alone")
    made.add_argument("--no-authored", action="store_true", help="from a store: without the tickets we wrote")
    made.add_argument("--text", default="title,body", help="one column, or title,body")
    made.add_argument("--target", action="append", default=[], help="output=column; may be repeated")
    made.add_argument("--time", default="", help="column of times: judged forward in time, never by the future")
    made.add_argument("--champion", type=Path, help="the bundle in use: the gate says whether this one is better")
    made.add_argument("--protect", action="append", default=[], help="output=class,class that must not get worse")
    said = "log to MLflow at URI, else MLFLOW_TRACKING_URI, else ./mlflow.db; the model becomes the challenger there"
    made.add_argument("--track", nargs="?", const="", metavar="URI", help=said)
    said = "train on the newest of these shares of the tickets too: would more help? Parts of the run in MLflow"
    made.add_argument("--shares", nargs="+", type=float, default=[], metavar="SHARE", help=said)
    made.add_argument("--encoder", type=Path, default=ENCODER, help="folder of the encoder")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 done, 1 the gate refused, 2 the input is wrong."""
    console, started = Console(stderr=True), time.perf_counter()
    try:
        given = recipe.parse(parser(), arguments)
        order = _order(given, console)
        trained = train(
            order.table, given.out, order.encoder, order.about, order.validation, order.champion, order.rules, console
        )
        seconds = time.perf_counter() - started
        is_tracked = given.track is not None or bool(given.from_store and importlib.util.find_spec("mlflow"))
        with tempfile.TemporaryDirectory() as folder:
            parts = [
                (share, _part(share, order, Path(folder) / str(k), console)) for k, share in enumerate(given.shares)
            ]
            if is_tracked:
                _track(trained, parts, given, seconds, console)
    except AiopsError as error:
        console.print(f"[bold red]training:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        return 2
    if trained.figures:
        show(trained.figures, console)
    if trained.verdict:
        console.print(escape(trained.verdict.text), highlight=False, soft_wrap=True)
    print(json.dumps(summary(trained), ensure_ascii=False))
    return 0 if trained.verdict is None or trained.verdict.is_promoted else 1


def summary(trained: Trained) -> dict[str, Any]:
    """One line for scripts."""
    told: dict[str, Any] = {"out": str(trained.folder), "digest": trained.digest, "tickets": len(trained.table)}
    told |= {"version": f"{trained.name}/{trained.version}", "fit_s": round(trained.fit_s, 1)}
    if trained.figures:
        told["figures"] = {
            name: {key: value for key, value in one.items() if key != "per_class"}
            for name, one in as_json(trained.figures).items()
        }
    if trained.verdict:
        told["promote"] = trained.verdict.is_promoted
        told["decided_by"] = trained.verdict.decided_by
    return told


def _part(share: float, order: _Order, out: Path, console: Console) -> Trained:
    """The same of the newest share of the tickets; of any, where they carry no time."""
    table = order.table
    count = int(len(table) * share)
    times = np.random.default_rng(0).random(len(table)) if table.times_ms is None else table.times_ms
    rows = np.sort(np.argsort(times, kind="stable")[len(table) - count :])
    quiet = Console(stderr=True, quiet=True)
    made = train(
        picked(table, rows.tolist()), out / "part", order.encoder, order.about, order.validation, console=quiet
    )
    figures = ", ".join(f"{name} {one.accuracy:.3f}" for name, one in made.figures.items())
    console.print(f"of {share:.0%} of the tickets ({count:,}): {figures} right", highlight=False)
    return made


def _track(
    trained: Trained,
    parts: Sequence[tuple[float, Trained]],
    given: argparse.Namespace,
    seconds: float,
    console: Console,
) -> None:
    try:
        from training import tracking
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed, and --track needs it: make train-setup") from None
    asked = {key: value for key, value in vars(given).items() if key != "track" and value}
    folders = [tracking.record(trained, given.encoder, asked, seconds)]
    for share, part in parts:
        whole = folders[0].name
        folders.append(tracking.record(part, given.encoder, asked | {"share": share}, part.fit_s, whole, False))
    uri = given.track or ""
    sent, complaint = tracking.sent_or_kept(folders, uri)
    for one in sent[:1]:
        where = tracking.uri_of(uri)
        said = f"logged to {where}: run {one.run_id}; {trained.name} {one.version} is the challenger there"
        console.print(escape(said), highlight=False, soft_wrap=True)
    if complaint:
        console.print(f"[yellow]not logged:[/] {escape(complaint)}", highlight=False, soft_wrap=True)


def _order(given: argparse.Namespace, console: Console) -> _Order:
    if given.out is None:
        raise InputError("--out is needed: the folder NAME or NAME/VERSION of the bundle")
    validation = None
    notes: list[str] = []
    champion = given.champion
    if given.from_store:
        if given.data or given.target or given.validation:
            raise InputError("--from-store takes the place of --data, --target and --validation")
        table, validation, note = _of_store(given)
        notes.append(note)
        champion = champion or shipped_models() / CLASSIFIER
        about: dict[str, Any] = {"data": "the service's store", "languages": ["en"]}
    elif given.data is None:
        if given.target or given.validation:
            raise InputError("--target and --validation need --data")
        table = default_table(authored.read())
        about = {"data": "training/data/tickets", "licence": "Apache-2.0", "languages": ["en"]}
    else:
        text = [name.strip() for name in given.text.split(",") if name.strip()]
        targets = targets_of(given.target)
        table, read = examples_of(given.data, text, targets, given.time)
        notes += read
        about = {"data": given.data.name, "text": text, "targets": targets}
        if given.validation:
            validation, read = examples_of(given.validation, text, targets, given.time)
            notes += read
    if not all(0 < share < 1 for share in given.shares) or (given.shares and validation is None):
        raise InputError("--shares are numbers between 0 and 1, judged on --validation")
    if given.champion and validation is None:
        raise InputError("--champion is compared on tickets kept apart: name them with --validation")
    for note in notes:
        console.print(escape(note), highlight=False, soft_wrap=True)
    _count(table, console)
    rows = len(table) + (len(validation) if validation else 0)
    encoder = Encoder.load(given.encoder, threads=2, cache_texts_max=rows + 1)
    rules = Rules(protected=protected_of(given.protect))
    return _Order(table, validation, champion, about, encoder, rules)


def _of_store(given: argparse.Namespace) -> tuple[Table, Table, str]:
    """(to learn from, to judge by, what there is)."""
    examples = from_store.examples_of_store(given.from_store)
    older, newest = newest_slice(from_store.table_of_examples(examples, given.tenant))
    if not len(newest):
        raise InputError(f"{len(older)} decided tickets in the store are too few to keep some apart")
    if not given.no_authored:
        older = from_store.joined(default_table(authored.read()), older)
    return older, newest, f"store: {from_store.summary(examples)}; the newest {len(newest)} tickets judge"


if __name__ == "__main__":
    sys.exit(main())
