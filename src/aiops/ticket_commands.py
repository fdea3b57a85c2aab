"""The commands about tickets."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import MofNCompleteColumn

from aiops.terminal import ConfigOption, err, errors_told, loaded, progress_bar


def triage(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet of tickets")],
    to: Annotated[Path, typer.Option("--out", help="the same file with the triage in further columns")],
    bundle: Annotated[Path | None, typer.Option(help="instead of tickets.bundle: a folder that training wrote")] = None,
    text: Annotated[str, typer.Option(help="text columns where they have other names: body, or title,body")] = "",
    config: ConfigOption = None,
) -> None:
    """Give every ticket of a file a category, urgency, sentiment, priority and team."""
    from aiops.desk import load_pipeline
    from aiops.triage_table import triage_file

    with errors_told():
        settings = loaded(config).settings.tickets
        settings = settings.model_copy(update={"bundle": str(bundle)} if bundle else {})
        pipeline = load_pipeline(settings, threads=os.cpu_count() or 1)
        with progress_bar(MofNCompleteColumn()) as progress:
            task = progress.add_task("triage", total=None)
            columns = [name.strip() for name in text.split(",") if name.strip()]
            shown = lambda done, rows: progress.update(task, completed=done, total=rows)  # noqa: E731
            rows = triage_file(file, to, pipeline, columns, shown)
        err.print(f"{rows} tickets; written: {escape(str(to))}", highlight=False, soft_wrap=True)
