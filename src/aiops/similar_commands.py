"""The commands about past tickets."""

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import MofNCompleteColumn
from rich.table import Table

from aiops.errors import InputError
from aiops.terminal import ConfigOption, err, errors_told, loaded, out, progress_bar


def similar(
    text: Annotated[str, typer.Argument(help="what is wrong now, in words")] = "",
    corpus: Annotated[Path | None, typer.Option(help="CSV or Parquet of past tickets, instead of the index")] = None,
    queries: Annotated[Path | None, typer.Option(help="CSV or Parquet of tickets to find like ones for")] = None,
    to: Annotated[Path | None, typer.Option("--out", help="query_id, rank, id, score")] = None,
    top: Annotated[int, typer.Option(min=1, max=1000)] = 10,
    tenant: Annotated[str, typer.Option(help="whose past tickets")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
    config: ConfigOption = None,
) -> None:
    """Find past tickets and incidents like a text, or like each ticket of a file."""
    from aiops.desk import load_pipeline
    from aiops.past import FOLDER
    from aiops.similar_table import similar_file
    from aiops.tickets.reading import read
    from aiops.tickets.similar import SimilarIndex

    with errors_told():
        settings = loaded(config).settings
        given = [one for one in (corpus, queries, to) if one is not None]
        if bool(text) == bool(given) or len(given) not in (0, 3):
            raise InputError("give a text, to ask the index; or all of --corpus, --queries and --out")
        pipeline = load_pipeline(settings.tickets, threads=os.cpu_count() or 1)
        if corpus and queries and to:
            with progress_bar(MofNCompleteColumn()) as progress:
                task = progress.add_task("similar", total=None)
                told = lambda done, rows: progress.update(task, completed=done, total=rows)  # noqa: E731
                memory = pipeline.bundle.classifier.memory
                figures = similar_file(corpus, queries, to, pipeline.encoder, memory, top, told)
            shown = f"{figures.queries} tickets, {figures.corpus} past ones; written: {escape(str(to))}"
            err.print(shown, highlight=False, soft_wrap=True)
            return
        folder = settings.server.data_dir / FOLDER
        if not folder.is_dir():
            raise InputError(f"no past tickets in {folder}: add some with aiops index FILE, or name --corpus FILE")
        index = SimilarIndex.load(folder, pipeline.encoder.digest, settings.tickets.past_items_max)
        said = read("", text, ips=settings.tickets.redact_ips).joined
        hits = index.search(said, pipeline.encoder.encode([said]).sentence[0], top, tenant)
        if as_json:
            sys.stdout.write("".join(json.dumps(asdict(hit)) + "\n" for hit in hits))
            return
        table = Table("resolution", "like it", "id", "title", "passage", "the same", box=None)
        for hit in hits:
            cells = (hit.resolution, f"{hit.score:.2f}", hit.item_id, hit.title, hit.passage, str(hit.duplicates or ""))
            table.add_row(*map(escape, cells))
        nothing = f"nothing like it among the {len(index)} past tickets and incidents, of those of tenant {tenant!r}"
        out.print(table if hits else f"{escape(nothing)}: --tenant names another", soft_wrap=not hits)


def index(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: id, title, body, tenant, created_at, resolution")],
    config: ConfigOption = None,
) -> None:
    """Add past tickets to the index of a service that is stopped."""
    from aiops.api.server import data_folder
    from aiops.desk import load_pipeline
    from aiops.past import AT_ONCE, FOLDER, Past
    from aiops.similar_table import past_items

    with errors_told():
        settings = loaded(config).settings
        items = past_items(file)
        with data_folder(settings), progress_bar(MofNCompleteColumn()) as progress:
            pipeline = load_pipeline(settings.tickets, threads=os.cpu_count() or 1)
            folder = settings.server.data_dir / FOLDER
            past = Past(folder, settings.tickets, pipeline.encoder, pipeline.bundle.classifier.memory)
            task = progress.add_task("index", total=len(items))
            for start in range(0, len(items), AT_ONCE):
                past.add(items[start : start + AT_ONCE])
                progress.update(task, completed=start + AT_ONCE)
            past.save()
        err.print(f"{len(items)} read; {len(past.index)} in the index", highlight=False)


def bench_similar(
    items: Annotated[int, typer.Option(min=1000, max=10_000_000)] = 100_000,
    config: ConfigOption = None,
) -> None:
    """Finding similar items among so many, made up: latency, build rate, bytes an item."""
    from aiops.bench_similar import bench_similar as measure
    from aiops.desk import load_pipeline

    with errors_told(), tempfile.TemporaryDirectory(prefix="aiops-bench-") as folder:
        bundle = load_pipeline(loaded(config).settings.tickets).bundle
        sys.stdout.write(json.dumps(measure(items, bundle, Path(folder))) + "\n")
