"""What is wrong with a table of labelled tickets, before anything is learned from it.

Some of it makes learning pointless and is refused; the rest is told with a count, the rows of the first few, and what
it does to the model. Texts are never quoted: the report may travel further than the tickets.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError
from aiops.learning.fit import Table
from training.examples import form_key, text_key

CLASSES_MAX = 1000  # of all outputs together: each takes 400 KB of the bundle, and 1.5 MB while it is fitted
CLASS_ROWS_FEW = 5
ROWS_MIN = 30
DEFAULT_SHARE, DEFAULT_SHARE_ANY_NAME = 0.5, 0.8
DEFAULT_NAMES = (
    "major", "medium", "normal", "default", "none", "n/a", "na", "other", "others", "unknown", "general", "misc",
    "miscellaneous", "unassigned", "unspecified", "undefined", "not set", "tbd", "p3", "3", "moderate", "3 - moderate",
    "trivial", "to be determined", "-", "standard", "s3",
)  # fmt: skip
MOJIBAKE = ("Ã¤", "Ã¶", "Ã¼", "Ã©", "Ã¨", "â€™", "â€œ", "â€“", "Â ", "\ufffd")
NEIGHBOURS = 10
NEIGHBOURS_AGREE = 9  # of the nearest carry one other label, and none the ticket's own
NEIGHBOUR_COSINE_MIN = 0.6  # below, nearest is not near
MEMORY_MAX = 8000
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """`refused` ends the training; `count` rows of the table are concerned."""

    kind: str
    severity: Literal["refused", "warning", "note"]
    said: str
    count: int = 0


def refuse(problems: Sequence[Problem]) -> None:
    """Raises InputError with every sentence that is a refusal."""
    said = [one.said for one in problems if one.severity == "refused"]
    if said:
        raise InputError("; ".join(said))


def examined(table: Table, validation: Table | None = None) -> Iterator[Problem]:
    """All that can be told without a model, refusals first."""
    yield from _refusals(table)
    yield from _texts(table)
    for name in table.labels:
        yield from _labels(name, table)
    keys = [text_key(title, body) for title, body in zip(table.titles, table.bodies, strict=True)]
    yield from _duplicates(table, keys)
    if validation is not None:
        yield from _leakage(table, validation)


def _refusals(table: Table) -> Iterator[Problem]:
    filled = sum(bool((title + body).strip()) for title, body in zip(table.titles, table.bodies, strict=True))
    if not len(table):
        yield Problem("no rows", "refused", "the table has no rows")
        return
    if not filled:
        yield Problem("empty texts", "refused", f"all {len(table)} texts are empty: is --text right?", len(table))
        return
    if filled < ROWS_MIN:
        yield Problem("few rows", "refused", f"{filled} rows with text, at least {ROWS_MIN} are needed", filled)
    classes = {name: len(set(labels) - {""}) for name, labels in table.labels.items()}
    for name, count in classes.items():
        if count == 0:
            yield Problem("no labels", "refused", f"{name}: every label is empty")
        elif count == 1:
            only = next(label for label in table.labels[name] if label)
            yield Problem("one class", "refused", f"{name}: one class alone ({only!r}): there is nothing to tell apart")
    total = sum(classes.values())
    if total > CLASSES_MAX:
        most = max(classes, key=lambda name: classes[name])
        said = (
            f"{total:,} classes, at most {CLASSES_MAX:,} can be learned: {most} has {classes[most]:,} in "
            f"{len(table):,} rows; is it an id or free text? Merge the rare ones, or name another column"
        )
        yield Problem("too many classes", "refused", said, total)


def _texts(table: Table) -> Iterator[Problem]:
    empty = [k for k, pair in enumerate(zip(table.titles, table.bodies, strict=True)) if not "".join(pair).strip()]
    if empty and len(empty) < len(table):
        said = f"{len(empty)} rows without text are left out ({_rows(empty)})"
        yield Problem("empty texts", "warning", said, len(empty))
    broken = [
        k
        for k, pair in enumerate(zip(table.titles, table.bodies, strict=True))
        if any(m in "".join(pair) for m in MOJIBAKE)
    ]
    if broken:
        said = f"{len(broken)} texts hold letters decoded wrongly, such as Ã¤ ({_rows(broken)}): export again as UTF-8"
        yield Problem("mixed encodings", "warning", said, len(broken))


def _labels(name: str, table: Table) -> Iterator[Problem]:
    labels = [label for label in table.labels[name] if label]
    if not labels:
        return
    counts = Counter(labels)
    if len(labels) < len(table):
        without = len(table) - len(labels)
        yield Problem("unlabelled", "note", f"{name}: {without} rows without a label teach it nothing", without)
    label, count = counts.most_common(1)[0]
    share = count / len(labels)
    is_usual_name = label.casefold() in DEFAULT_NAMES and share >= DEFAULT_SHARE
    if len(counts) > 1 and (is_usual_name or share >= DEFAULT_SHARE_ANY_NAME):
        said = (
            f"{name}: {share:.0%} of rows say {label!r}, as a form does that nobody changed: the model would learn the "
            "form; leave these rows' label empty, or train on rows that a person set"
        )
        yield Problem("default label", "warning", said, count)
    few = [one for one, n in counts.items() if n < CLASS_ROWS_FEW]
    if few:
        said = f"{name}: {len(few)} of {len(counts)} classes have fewer than {CLASS_ROWS_FEW} rows: rarely answered"
        yield Problem("rare classes", "warning", said, sum(counts[one] for one in few))
    spelled: dict[str, list[str]] = defaultdict(list)
    for one in counts:
        spelled[" ".join(one.casefold().split())].append(one)
    twins = [sorted(names) for names in spelled.values() if len(names) > 1]
    if twins:
        shown = "; ".join(" = ".join(map(repr, names)) for names in twins[:SHOWN])
        yield Problem(
            "spelled twice", "warning", f"{name}: {len(twins)} classes differ in case or spaces alone: {shown}"
        )


def _duplicates(table: Table, keys: Sequence[str]) -> Iterator[Problem]:
    groups: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        if key:
            groups[key].append(row)
    repeated = [rows for rows in groups.values() if len(rows) > 1]
    copies = sum(len(rows) - 1 for rows in repeated)
    if copies:
        said = f"{copies} rows repeat the text of another ({_rows([rows[1] for rows in repeated])})"
        yield Problem("duplicates", "warning" if copies > len(keys) / 10 else "note", said, copies)
    for name, labels in table.labels.items():
        torn = [rows for rows in repeated if len({labels[k] for k in rows if labels[k]}) > 1]
        if torn:
            concerned = sum(map(len, torn))
            shown = _rows([rows[0] for rows in torn])
            said = f"{name}: {len(torn)} repeated texts carry different labels ({shown}): no model can be right on all"
            yield Problem("conflicting labels", "warning", said, concerned)


def _leakage(table: Table, validation: Table) -> Iterator[Problem]:
    told: set[int] = set()
    for key, kind, what in (
        (text_key, "leakage", "are in the training table word for word"),
        (form_key, "near leakage", "are there but for their numbers"),
    ):
        known = {key(title, body) for title, body in zip(table.titles, table.bodies, strict=True)} - {""}
        pairs = enumerate(zip(validation.titles, validation.bodies, strict=True))
        found = [k for k, pair in pairs if k not in told and key(*pair) in known]
        told |= set(found)
        if found:
            share = len(found) / len(validation)
            said = f"{len(found)} validation rows ({share:.1%}) {what} ({_rows(found)}): its figures flatter the model"
            yield Problem(kind, "warning" if share > 0.01 else "note", said, len(found))
    if table.times_ms is not None and validation.times_ms is not None and len(table) and len(validation):
        early = int((validation.times_ms < table.times_ms.max()).sum())
        if early:
            said = f"{early} validation rows are older than the newest training row: judge on later tickets"
            yield Problem("time leakage", "warning", said, early)
    for name, labels in validation.labels.items():
        new = sorted(set(labels) - set(table.labels.get(name, ())) - {""})
        if new:
            count = sum(label in new for label in labels)
            said = f"{name}: {count} validation rows are of classes never trained on: {', '.join(new[:SHOWN])}"
            yield Problem("unseen classes", "note", said, count)


def noisy_rows(
    vectors: NDArray[np.float32],
    labels: Sequence[str],
    progressed: Callable[[int, int], None] = lambda done, rows: None,
) -> list[tuple[int, str]]:
    """(row, the label its neighbours carry) of probable label errors: confident disagreement. The NEIGHBOURS nearest
    (cosine of float32 (n, d) rows of length 1; itself and copies of it left out) nearly all carry one other label, and
    none its own. Compared with at most MEMORY_MAX tickets, taken evenly."""
    label = np.array(labels, dtype=object)
    rows = np.flatnonzero(label != "")
    if len(rows) <= NEIGHBOURS:
        return []
    names, codes = np.unique(label[rows].astype(str), return_inverse=True)
    kept = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MEMORY_MAX)).round().astype(np.intp))
    memory, known = vectors[rows[kept]], codes[kept]
    found: list[tuple[int, str]] = []
    for start in range(0, len(rows), 1024):
        some = rows[start : start + 1024]
        cosine = vectors[some] @ memory.T
        cosine[cosine > 0.999] = -1.0
        near = np.argpartition(-cosine, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        is_near = np.take_along_axis(cosine, near, 1).mean(1) >= NEIGHBOUR_COSINE_MIN
        for k in np.flatnonzero(is_near):
            votes = np.bincount(known[near[k]], minlength=len(names))
            top = int(votes.argmax())
            if votes[top] >= NEIGHBOURS_AGREE and votes[codes[start + k]] == 0:
                found.append((int(some[k]), str(names[top])))
        progressed(min(start + 1024, len(rows)), len(rows))
    return found


def label_noise(vectors: NDArray[np.float32], labels: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    """`noisy_rows` of every output, as problems."""
    for name, one in labels.items():
        found = noisy_rows(vectors, one)
        if found:
            pairs = Counter((one[row], other) for row, other in found).most_common(3)
            shown = ", ".join(f"{count} {mine!r} among {other!r}" for (mine, other), count in pairs)
            where = _rows([row for row, _ in found])
            said = f"{name}: {len(found)} labels that nearly all their neighbours contradict ({where}): {shown}"
            yield Problem("label noise", "warning", said, len(found))


def _rows(rows: Sequence[int]) -> str:
    shown = ", ".join(str(row + 1) for row in rows[:SHOWN])
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}{', ...' if len(rows) > SHOWN else ''}"
