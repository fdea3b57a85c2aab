"""Files of past and new tickets in, the most similar past ones out; and a file of past tickets as items of the index.

CSV or Parquet with a column of ids (`id`, `ticket_id`, `key`, `number`) and of text (`title`, `subject`, `summary`;
`body`, `text`, `description`, `message`), perhaps `created_at`, `tenant`, `kind`, `resolution`. Every text is read as a
ticket is: the newest message, without personal data.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from aiops.errors import InputError, TableError
from aiops.metrics.timestamp import timestamp_ms
from aiops.tickets.encoder import Encoder
from aiops.tickets.reading import read
from aiops.tickets.similar import PastItem, Projection, SimilarIndex
from aiops.tickets.table import BODIES, TITLES, read_table, write_table

BATCH = 256
_COLUMNS = {
    "item_id": ("id", "ticket_id", "query_id", "key", "number"),
    "title": TITLES,
    "text": BODIES,
    "created": ("created_at", "created", "opened_at", "timestamp"),
    "tenant": ("tenant",),
    "kind": ("kind",),
    "resolution": ("resolution", "solution", "close_notes"),
}


@dataclass(frozen=True, slots=True)
class SimilarFigures:
    """What was written."""

    corpus: int
    queries: int
    rows: int


def past_items(path: Path) -> list[PastItem]:
    """The rows of a file. Raises TableError."""
    table = read_table(path).columns
    lower = {name.lower(): name for name in reversed(table.column_names)}
    found = {field: next((lower[n] for n in names if n in lower), None) for field, names in _COLUMNS.items()}
    for field, names in (("item_id", _COLUMNS["item_id"]), ("title", (*_COLUMNS["title"], *_COLUMNS["text"]))):
        if not (found[field] or (field == "title" and found["text"])):
            raise TableError(f"{path}: no column {', '.join(names)}; there are {', '.join(table.column_names)}")
    columns = {field: table[name].to_pylist() if name else [None] * len(table) for field, name in found.items()}
    return [
        _item({field: values[row] for field, values in columns.items()}, f"{path}: row {row + 1}")
        for row in range(len(table))
    ]


def _item(cells: dict[str, Any], where: str) -> PastItem:
    said = {field: "" if cells[field] is None else str(cells[field]) for field in cells}
    if not said["item_id"]:
        raise TableError(f"{where} has no id")
    reading = read(said["title"], said["text"])
    resolution = read("", said["resolution"]).body if said["resolution"] else ""
    created = _time_ms(cells["created"], where)
    kind = said["kind"] or "ticket"
    return PastItem(said["item_id"], kind, reading.title, reading.body, said["tenant"], created, resolution)


def _time_ms(value: Any, where: str) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return round(1000 * moment.timestamp())
    if isinstance(value, date):
        return round(1000 * datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp())
    try:
        return timestamp_ms(value)
    except InputError as error:
        raise TableError(f"{where}: {error}") from None


def similar_file(
    corpus: Path,
    queries: Path,
    to: Path,
    encoder: Encoder,
    reference: NDArray[np.float32],
    top: int,
    progressed: Callable[[int, int], None] = lambda done, rows: None,
) -> SimilarFigures:
    """Writes `query_id, rank, id, score` to `to`, CSV or Parquet. A query with a time finds only older items: created
    before it, or at the same time and, where it is in the corpus itself, in a row before it. It never finds itself.
    Tenants are not told apart. Raises TableError."""
    past = sorted(past_items(corpus), key=_age)
    asked = past_items(queries)
    total = len(past) + len(asked)
    index = SimilarIndex(Projection.fit(reference), encoder.digest, max(len(past), 1))
    for start in range(0, len(past), BATCH):
        some = past[start : start + BATCH]
        index.add([_untenanted(item) for item in some], _vectors(some, encoder))
        progressed(start + len(some), total)
    index.refit()
    ages = [_age(item) for item in past]
    place = {item.item_id: k for k, item in enumerate(past)}
    rows: dict[str, list[Any]] = {"query_id": [], "rank": [], "id": [], "score": []}
    for start in range(0, len(asked), BATCH):
        some = asked[start : start + BATCH]
        for item, vector in zip(some, _vectors(some, encoder), strict=True):
            first = None if item.created_ms is None else bisect_left(ages, _age(item))
            own = place.get(item.item_id)
            if first is not None and own is not None and ages[own] == _age(item):
                first = own
            found = index.ranked(item.joined, vector, top, first, item.item_id) if first != 0 else []
            rows["query_id"] += [item.item_id] * len(found)
            rows["rank"] += range(1, len(found) + 1)
            rows["id"] += [item_id for item_id, _ in found]
            rows["score"] += [round(score, 6) for _, score in found]
        progressed(len(past) + start + len(some), total)
    table = pyarrow.table(rows)
    try:
        write_table(table, to)
    except OSError as error:
        raise TableError(f"{to}: {error.strerror or error}") from None
    return SimilarFigures(len(past), len(asked), len(table))


def _age(item: PastItem) -> int:
    return -(2**62) if item.created_ms is None else item.created_ms


def _untenanted(item: PastItem) -> PastItem:
    return PastItem(item.item_id, item.kind, item.title, item.text, "", item.created_ms, item.resolution)


def _vectors(items: Sequence[PastItem], encoder: Encoder) -> NDArray[np.float32]:
    return encoder.encode([item.joined for item in items]).sentence
