"""The commands about tickets."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import MofNCompleteColumn
from rich.table import Table

from aiops.errors import InputError
from aiops.terminal import ConfigOption, err, errors_told, loaded, out, progress_bar

FILE_PRECISION = 0.9  # rows of a file keep their label even where the model abstains, so that this costs nothing


def triage(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet of tickets")],
    to: Annotated[Path, typer.Option("--out", help="the same file with the triage in further columns")],
    bundle: Annotated[Path | None, typer.Option(help="instead of tickets.bundle: a folder that training wrote")] = None,
    text: Annotated[str, typer.Option(help="text columns where they have other names: body, or title,body")] = "",
    precision: Annotated[
        float | None, typer.Option(min=0, max=0.99, help="abstain where fewer would be right; else as set, or 0.9")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Give every ticket of a file a category, urgency, sentiment, priority and team."""
    from aiops.desk import load_pipeline
    from aiops.triage_table import triage_file

    with errors_told():
        settings = loaded(config).settings.tickets
        asked = (settings.precision or FILE_PRECISION) if precision is None else precision
        settings = settings.model_copy(update={"precision": asked} | ({"bundle": str(bundle)} if bundle else {}))
        pipeline = load_pipeline(settings, threads=os.cpu_count() or 1)
        with progress_bar(MofNCompleteColumn()) as progress:
            task = progress.add_task("triage", total=None)
            columns = [name.strip() for name in text.split(",") if name.strip()]
            shown = lambda done, rows: progress.update(task, completed=done, total=rows)  # noqa: E731
            told = lambda note: err.print(escape(note), highlight=False, soft_wrap=True)  # noqa: E731
            rows = triage_file(file, to, pipeline, columns, shown, told)
        err.print(f"{rows} tickets; written: {escape(str(to))}", highlight=False, soft_wrap=True)


def bench_triage(
    data: Annotated[Path, typer.Option(help="folder of sets, each with train.parquet and validation.parquet")],
    sets: Annotated[list[str] | None, typer.Option("--set", help="this set alone; may be repeated")] = None,
    config: ConfigOption = None,
) -> None:
    """Fit a model to each set's train part and judge its validation part (needs scikit-learn: the train extra)."""
    from aiops.desk import load_encoder

    with errors_told():
        try:
            from aiops.bench_triage import TEXTS_MAX
            from aiops.bench_triage import bench_triage as measure
        except ModuleNotFoundError as error:
            raise InputError(f"{error.name} is not installed: make train-setup") from None
        settings = loaded(config).settings.tickets.model_copy(update={"cache_texts_max": TEXTS_MAX})
        encoder = load_encoder(settings, threads=os.cpu_count() or 1)
        table = Table(
            "set", "target", "train", "judged", "classes", "accuracy", "macro-F1", "top 3", "calibration error",
            "answered at 90 %", "right then", "out of scope found", "10 a class", "other desk F1", "fit s", box=None,
        )  # fmt: skip

        def told(step: str) -> None:
            err.print(escape(f"{step} ..."), highlight=False, soft_wrap=True)

        for one in measure(data, encoder, told, sets or ()):
            figures = (one.accuracy, one.macro_f1, one.top_3, one.calibration_error, one.coverage, one.precision)
            found, elsewhere = ("" if x is None else f"{x:.3f}" for x in (one.oos_recall, one.elsewhere))
            sizes = (str(one.train), str(one.validation), str(one.classes))
            last = (found, f"{one.few_shot:.3f}", elsewhere, f"{one.fit_s:.0f}")
            table.add_row(one.name, one.target, *sizes, *(f"{x:.4f}" for x in figures), *last)
            told(f"{one.name}: {one.accuracy:.4f} right")
        out.print(table)


def bench_desk(
    requests: Annotated[int, typer.Option(min=1, max=100_000, help="of each size, and tickets in batches")] = 300,
    seed: Annotated[int, typer.Option(help="another seed, other texts")] = 1,
) -> None:
    """Start the service, hold it to one core and triage over HTTP: latency, rate in batches, time to ready, memory."""
    from aiops.bench_desk import bench_desk as measure

    with errors_told(), tempfile.TemporaryDirectory(prefix="aiops-bench-") as folder:
        sys.stdout.write(json.dumps(measure(requests, seed, Path(folder))) + "\n")
