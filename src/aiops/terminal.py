"""What every command shares: two consoles, settings, errors told in one sentence, and a progress bar."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import SQLAlchemyError

from aiops import log
from aiops.config import Loaded, load
from aiops.errors import AiopsError

PIPE_COLUMNS = 200  # a pipe has no width: lines stay whole for grep


def _console(stderr: bool) -> Console:
    console = Console(stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_COLUMNS
    return console


out, err = _console(stderr=False), _console(stderr=True)
ConfigOption = Annotated[Path | None, typer.Option("--config", help="settings file, else AIOPS_CONFIG, ./aiops.toml")]


@contextmanager
def errors_told() -> Iterator[None]:
    """What the user can mend is one sentence, not a traceback."""
    try:
        yield
    except AiopsError as error:
        err.print(f"[bold red]aiops:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except SQLAlchemyError as error:
        told = escape(f"the database cannot be used: {error}")
        err.print(f"[bold red]aiops:[/] {told}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def loaded(config: Path | None) -> Loaded:
    """The settings in force; logging is set up by them."""
    found = load(config, os.environ)
    log.configure(found.settings.log.level, found.settings.log.format)
    return found


def progress_bar(*columns: Any, console: Console = err) -> Progress:
    """A bar on the terminal; nothing where there is none."""
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), *columns,
        console=console, disable=not console.is_terminal, transient=True,
    )  # fmt: skip
