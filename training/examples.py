"""Labelled tickets to learn from: which columns of a table they are, and the fingerprint that names exactly these."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from aiops.errors import InputError
from aiops.learning.fit import Table
from aiops.tickets.table import read_table

RESERVED = ("scope", "is_ticket", "priority")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


def targets_of(given: Sequence[str]) -> dict[str, str]:
    """Output -> column, of `NAME=COLUMN` each, or COLUMN alone. Raises InputError."""
    targets: dict[str, str] = {}
    for one in given:
        name, _, column = one.partition("=")
        if not _NAME.fullmatch(name) or name in RESERVED:
            raise InputError(
                f"--target {one}: a name is a letter, then letters, digits, _ or -, 40 at most, and none of "
                f"{', '.join(RESERVED)}: give NAME=COLUMN, as in --target category={column or name}"
            )
        if name in targets:
            raise InputError(f"--target {name} is there twice")
        targets[name] = column or name
    if not targets:
        raise InputError(
            "nothing to learn: name at least one column of labels, as in --target category=assignment_group"
        )
    return targets


def examples_of(
    path: Path, text: Sequence[str], targets: Mapping[str, str], time: str = ""
) -> tuple[Table, tuple[str, ...]]:
    """The table and notes on how it was read. Labels lose spaces around them. Raises TableError, InputError."""
    if not text:
        raise InputError("no column of text: name one or more, as in --text title,body")
    read = read_table(path)
    read.require([*text, *targets.values(), *([time] if time else [])])
    titles, bodies = read.titles_and_bodies(text)
    labels = {name: [label.strip() for label in read.texts(column)] for name, column in targets.items()}
    return Table(titles, bodies, labels, read.times_ms(time) if time else None), read.notes


def picked(table: Table, rows: Sequence[int]) -> Table:
    """Some rows of a table, in the order given."""
    labels = {name: [label[k] for k in rows] for name, label in table.labels.items()}
    times = None if table.times_ms is None else table.times_ms[np.asarray(rows, np.intp)]
    return Table([table.titles[k] for k in rows], [table.bodies[k] for k in rows], labels, times)


def fingerprint(table: Table) -> str:
    """16 hex digits: of every text, label and time, in their order."""
    digest = hashlib.sha256()
    for column in (table.titles, table.bodies, *(table.labels[name] for name in sorted(table.labels))):
        digest.update(len(column).to_bytes(8, "little"))
        for cell in column:
            raw = cell.encode(errors="replace")
            digest.update(len(raw).to_bytes(8, "little") + raw)
    if table.times_ms is not None:
        digest.update(table.times_ms.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def text_key(title: str, body: str) -> str:
    """Equal for texts that differ in case and spaces alone."""
    return " ".join(f"{title} {body}".casefold().split())


def form_key(title: str, body: str) -> str:
    """Equal for texts that differ in numbers too: two alerts of one job."""
    return re.sub(r"\d+", "0", text_key(title, body))
