"""Past tickets and incidents like a new one: exact hybrid search by words, their beginnings, and meaning.

    score = (cosine of the centred vectors + 0.5 cosine of words + 0.5 cosine of beginnings - 0.5 crowd) / 2

A plain sum: a text of few rare words is ranked by its meaning, an error code by itself, and no part is scaled up to a
say it has not earned. Crowd is how near an item is to its ten nearest, less what is usual: what is a little like
everything would otherwise stand in every answer (CSLS: Conneau et al. 2018, ICLR). Exact: the best by this formula are
found, of all items that tenant and time let in; the search passes over nothing that could be among them. Vectors are
kept in numbers of 8 bits, and the formula is over these.

Items come and go one by one. What the formula takes from the whole (how rare a term is, the mean vector) is counted
with every change and put in force together with the lists of the search, each time a tenth of the items, but at most
2,048, have come or gone; in between scores keep their scale. A small index leans on the mean of other tickets. Crowd
is taken among all items, beyond 4,096 among 1,024 spread over them, and for all anew when their number has doubled;
then the vectors are turned, too, so that their first numbers hold most and few rows are read to the end.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError
from aiops.tickets import past_file, terms
from aiops.tickets import similar_kernel as kernel
from aiops.tickets.passage import passages
from aiops.tickets.past_rows import TEXT_CHARS_MAX, Grown, PastItem, Rows

__all__ = ["Hit", "PastItem", "Projection", "SimilarIndex"]
HALF = np.float32(0.5)  # the say of words, and of their beginnings, beside the vectors
SCORE_MAX = 2.0
SAME = 0.7  # two items at least so alike say the same
POOL = 30  # best items among which those that say the same are put together
COMMON = 0.2  # of all items: a term in more of them tells nothing; no term in 50 or fewer is common
COMMON_MIN = 50
PRIOR = 100  # items that the mean of other tickets stands for
REFIT_MIN, REFIT_MAX, REFIT_SHARE = 64, 2048, 0.1  # changes until IDF, mean and lists are made anew
TURNED_MIN = 1000
NEIGHBOURS, CROWD_SHARE = 10, np.float32(0.5)
CROWD_ALL_MAX, CROWD_SAMPLE = 4096, 1024
_AT_ONCE = 4096  # rows in one product
_LOG_COUNTS = np.concatenate([[0], 1 + np.log(np.arange(1, 256))]).astype(np.float32)


class Projection(NamedTuple):
    """From the encoder's vectors to those that are kept: (vector - center) @ axes, a mere turn."""

    center: NDArray[np.float32]  # (width,)
    axes: NDArray[np.float32]  # (width, width), orthogonal; the first holding most makes the search fast

    @classmethod
    def fit(cls, vectors: NDArray[np.float32]) -> "Projection":
        """The principal axes of sentence vectors of tickets, any tickets."""
        center: NDArray[np.float32] = vectors.mean(axis=0)
        axes = np.linalg.eigh(np.cov((vectors - center).T)).eigenvectors
        return cls(center, np.ascontiguousarray(axes[:, ::-1], np.float32))

    def kept(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, width) -> (n, width)."""
        return np.asarray((vectors - self.center) @ self.axes, np.float32)


@dataclass(frozen=True, slots=True)
class Hit:
    """A past item like the text asked about; `score` is 1 for the same text. `duplicates` counts the items among the
    30 best that say the same as this one and are not shown, `live` names those of them without a resolution. Where
    the item has none, `resolution` is that of one that says the same."""

    item_id: str
    kind: str
    title: str
    score: float
    passage: str
    resolution: str
    created_ms: int | None
    duplicates: int = 0
    live: tuple[str, ...] = ()


class _Fit(NamedTuple):
    """What is taken from the whole, and how each row measures under it."""

    idf: NDArray[np.float32]  # (terms.SIZE,)
    center: NDArray[np.float32]  # (width,)
    lists: tuple[Any, ...]  # of similar_kernel.lists_of_terms, and how many rows they cover
    words: Grown  # float32 (rows, 2), of inverse_lengths
    vectors: Grown  # float32 (rows, 2), of vector_lengths


class _Crowd(NamedTuple):
    """Who stands for all in measuring how crowded it is around an item."""

    sample: NDArray[np.float32]  # (n, width), centred, of length 1
    usual: float
    items: int  # in the index when it was taken


class _View(NamedTuple):
    """One moment of the index, for a search that others do not wait for."""

    head: NDArray[np.int8]
    tail: NDArray[np.int8]
    scale: NDArray[np.float32]
    crowd: NDArray[np.float32]
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    counts: NDArray[np.uint8]
    tenant: NDArray[np.int32]
    created: NDArray[np.int64]
    is_live: NDArray[np.bool_]
    idf: NDArray[np.float32]
    center: NDArray[np.float32]
    lists: tuple[Any, ...]
    words: NDArray[np.float32]
    vectors: NDArray[np.float32]
    rows: Rows
    projection: Projection


class SimilarIndex:
    """Thread-safe; searches wait for nobody. `encoder_digest` names the encoder all vectors are from."""

    def __init__(self, projection: Projection, encoder_digest: str, items_max: int = 1_000_000) -> None:
        self.projection, self.encoder_digest, self._items_max = projection, encoder_digest, items_max
        self._writing = threading.RLock()
        self._own = threading.local()
        self._rows = Rows(len(projection.center))
        self._places: dict[tuple[str, str], int] = {}
        self._seen_in: NDArray[np.int32] = np.zeros(terms.SIZE, np.int32)
        self._sum: NDArray[np.float64] = np.zeros(self._rows.width)
        self._crowd = _Crowd(np.empty((0, self._rows.width), np.float32), 0.0, 0)
        self._changed = 0
        self._refit(anew=False)

    def __len__(self) -> int:
        return len(self._places)

    def add(self, items: Sequence[PastItem], vectors: NDArray[np.float32]) -> None:
        """One row of `vectors`, (n, width of the encoder), per item. An item whose tenant and id are there already
        replaces it. Beyond `items_max` those added first go. Raises InputError where the vectors do not fit."""
        if vectors.shape != (len(items), len(self.projection.center)):
            raise InputError(f"{len(items)} items with vectors of shape {vectors.shape}")
        last = {(item.tenant, item.item_id): k for k, item in enumerate(items)}
        picked = sorted(last.values())[-self._items_max :]
        with self._writing:
            known = [self._places[key] for key in last if key in self._places]
            self._drop(np.array(known, np.intp))
            spare = self._items_max - len(self) - len(picked)
            if spare < 0:
                oldest = np.flatnonzero(self._rows.is_live.array)[:-spare]
                self._drop(oldest)
            first = len(self._rows)
            self._rows.append([items[k] for k in picked], self.projection.kept(vectors[picked]))
            self._places |= {(items[k].tenant, items[k].item_id): first + n for n, k in enumerate(picked)}
            self._count(first, len(self._rows), 1)
            self._measure(self._fit, first)
            self._rows.crowd.append(self._crowded(np.arange(first, len(self._rows))))
            self._changed += len(picked)
            self._refit_if_due()

    def remove(self, ids: Sequence[str], tenant: str = "") -> None:
        """Ids that are not there are passed over."""
        with self._writing:
            keys = dict.fromkeys((tenant, item_id) for item_id in ids)
            rows = [self._places[key] for key in keys if key in self._places]
            if rows:
                self._drop(np.array(rows))
                self._refit_if_due()

    def refit(self) -> None:
        """Puts IDF, mean, lists and crowd of now in force; `add` and `remove` do so when it is due."""
        self._refit(anew=True)

    def _refit(self, anew: bool) -> None:
        with self._writing:
            live = np.flatnonzero(self._rows.is_live.array)
            if len(live) < (1 - REFIT_SHARE) * len(self._rows):
                self._rows = self._rows.copied(live)
                self._places = self._rows.places()
            if anew and len(self) >= TURNED_MIN:
                self._turn()
            rows, items = self._rows, len(live)
            is_common = self._seen_in > max(COMMON_MIN, COMMON * items)
            idf = np.where(is_common, 0, np.log((2 + items) / (1 + self._seen_in))).astype(np.float32)
            center = (self._sum / (items + PRIOR)).astype(np.float32)
            fit = _Fit(idf, center, (), Grown(np.float32, 2), Grown(np.float32, 2))
            self._measure(fit, 0)
            csr = (rows.starts.array, rows.columns.array, rows.counts.array)
            lists = kernel.lists_of_terms(*csr, idf, terms.FIELD, _LOG_COUNTS, fit.words.array, len(rows), terms.SIZE)
            self._fit = fit._replace(lists=(*lists, len(rows)))
            self._changed = 0
            if anew:
                self._take_crowd()
            self._look()

    def search(
        self,
        text: str,
        vector: NDArray[np.float32],
        top: int,
        tenant: str | None = None,
        before_ms: int | None = None,
        except_id: str | None = None,
    ) -> list[Hit]:
        """The best `top`, best first, of several that say the same only the best. `text` is title and body as reading
        left them, `vector` its (width,) sentence vector. `tenant` None searches all; `before_ms` lets in only items
        created earlier or at an unknown time."""
        view, asked = self._view, self._asked()
        columns = _weigh(text, view.idf, asked)
        try:
            scores, rows = self._best(view, vector, columns, asked, max(top, POOL), tenant, before_ms, except_id)
            best, alike = self._alike(view, rows, top)
            items = {row: view.rows.item(int(rows[row])) for row in (*best, *(k for some in alike for k in some))}
            said = passages([items[k].text or items[k].title for k in best], asked)
            return [
                _hit(items[k], [items[j] for j in some], float(scores[k]), passage)
                for k, some, passage in zip(best, alike, said, strict=True)
            ]
        finally:
            asked[columns] = 0

    def ranked(
        self, text: str, vector: NDArray[np.float32], top: int, first: int | None = None, except_id: str | None = None
    ) -> list[tuple[str, float]]:
        """(id, score) of the best `top`, those that say the same too; `first`: only of so many items added first."""
        view, asked = self._view, self._asked()
        columns = _weigh(text, view.idf, asked)
        try:
            scores, rows = self._best(view, vector, columns, asked, top, None, None, except_id, first)
        finally:
            asked[columns] = 0
        return [(view.rows.key(int(row))[1], float(score)) for score, row in zip(scores, rows, strict=True)]

    def _best(
        self,
        view: _View,
        vector: NDArray[np.float32],
        columns: NDArray[np.int32],
        asked: NDArray[np.float32],
        top: int,
        tenant: str | None,
        before_ms: int | None,
        except_id: str | None,
        first: int | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores (1: the same text) and rows, best first."""
        code = -1 if tenant is None else view.rows.tenants.get(tenant)
        if code is None or not len(view.scale):
            return np.empty(0, np.float32), np.empty(0, np.int64)
        turned = view.projection.kept(vector[None])[0] - view.center
        turned /= max(float(np.linalg.norm(turned)), 1e-6)
        halves = (turned[: kernel.HEAD], turned[kernel.HEAD :])
        drop = np.array([halves[0] @ view.center[: kernel.HEAD], halves[1] @ view.center[kernel.HEAD :]], np.float32)
        csr = (view.starts, view.columns, view.counts, view.idf, terms.FIELD, _LOG_COUNTS, view.words)
        scores = np.zeros(len(view.scale), np.float32)
        kernel.shares(view.lists, *csr, columns, asked, scores)
        scores = scores[:first]
        found, rows = kernel.best_rows(
            scores,
            np.empty_like(scores),
            view.crowd,
            view.head,
            view.tail,
            view.scale,
            view.vectors,
            view.is_live,
            view.tenant,
            view.created,
            turned,
            drop,
            np.float32(np.linalg.norm(halves[1])),
            code,
            np.iinfo(np.int64).max if before_ms is None else before_ms - 1,
            -1 if except_id is None else self._places.get((tenant or "", except_id), -1),
            top,
        )
        order = np.lexsort((rows, -found))
        order = order[rows[order] >= 0]
        return found[order] / SCORE_MAX, rows[order]

    def _alike(self, view: _View, rows: NDArray[np.int64], top: int) -> tuple[list[int], list[list[int]]]:
        """Places in `rows` of the best `top` that say something else each, and of those that say the same as each."""
        first = kernel.first_alike(
            rows, np.float32(SAME * SCORE_MAX), top, view.head, view.tail, view.scale, view.center, view.vectors,
            view.starts, view.columns, view.counts, view.idf, terms.FIELD, _LOG_COUNTS, view.words, HALF, self._room(),
        )  # fmt: skip
        best = [k for k in range(len(rows)) if first[k] == k]
        return best, [[j for j in range(k + 1, len(rows)) if first[j] == k] for k in best]

    def _asked(self) -> NDArray[np.float32]:
        """Zeros (terms.SIZE,) of this thread, to be left as zeros."""
        if not hasattr(self._own, "asked"):
            self._own.asked, self._own.room = (np.zeros(terms.SIZE, np.float32) for _ in range(2))
        asked: NDArray[np.float32] = self._own.asked
        return asked

    def _room(self) -> NDArray[np.float32]:
        room: NDArray[np.float32] = self._own.room
        return room

    def _take(self, rows: Rows, usual: float) -> None:
        """Begins with these rows, all of them live and their crowd measured."""
        self._rows, self._places = rows, rows.places()
        self._count(0, len(rows), 1)
        if len(rows) > self._items_max:
            self._drop(np.arange(len(rows) - self._items_max))
        self._refit(anew=False)
        self._crowd = _Crowd(self._centred(_spread(len(self._rows))), usual, len(self))

    def _count(self, first: int, stop: int, step: int) -> None:
        """Rows come (step 1) or go (-1)."""
        kernel.count_rows_of_terms(
            self._rows.starts.array[first : stop + 1], self._rows.columns.array, self._seen_in, step
        )
        self._sum += step * self._rows.vectors(slice(first, stop)).sum(axis=0, dtype=np.float64)

    def _drop(self, dead: NDArray[np.intp]) -> None:
        for row in dead:
            self._count(row, row + 1, -1)
            del self._places[self._rows.key(row)]
        self._rows.is_live.array[dead] = False
        self._changed += len(dead)

    def _measure(self, fit: _Fit, first: int) -> None:
        """Lengths of the rows from `first` on."""
        rows = self._rows
        stop = len(rows)
        words, vectors = np.empty((stop - first, 2), np.float32), np.empty((stop - first, 2), np.float32)
        csr = (rows.starts.array, rows.columns.array, rows.counts.array)
        kernel.inverse_lengths(*csr, fit.idf, terms.FIELD, _LOG_COUNTS, first, stop, words)
        kernel.vector_lengths(rows.head.array, rows.tail.array, rows.scale.array, fit.center, first, stop, vectors)
        fit.words.append(words)
        fit.vectors.append(vectors)

    def _turn(self) -> None:
        """Turns all vectors to the principal axes of these items."""
        live = np.flatnonzero(self._rows.is_live.array)
        axes = np.linalg.eigh(np.cov(self._rows.vectors(live[_spread(len(live))]).T)).eigenvectors
        turn = np.ascontiguousarray(axes[:, ::-1], np.float32)
        self.projection = Projection(self.projection.center, self.projection.axes @ turn)
        self._rows = self._rows.turned(turn)
        self._sum = self._sum @ turn

    def _take_crowd(self) -> None:
        """Chooses who stands for all, and measures every row by them."""
        rows = self._rows
        live = np.flatnonzero(rows.is_live.array)
        live = live[_spread(len(live))]
        self._crowd = _Crowd(self._centred(live), 0.0, len(self))
        crowd = self._crowded(np.arange(len(rows)), live)
        self._crowd = self._crowd._replace(usual=float(crowd.mean()) if len(crowd) else 0.0)
        rows.crowd = Grown(np.float32)
        rows.crowd.append(crowd - np.float32(self._crowd.usual))

    def _centred(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        kept = self._rows.vectors(rows) - self._fit.center
        centred: NDArray[np.float32] = kept * self._fit.vectors.array[rows, :1]
        return centred

    def _crowded(self, rows: NDArray[np.intp], sample: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
        """What each row gives away, less what is usual; `sample`: the rows of the sample, none near itself."""
        among, nearest = self._crowd.sample, min(NEIGHBOURS, len(self._crowd.sample) - 1)
        crowd = np.zeros(len(rows), np.float32)
        if nearest < 1:
            return crowd
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            near = self._centred(some) @ among.T
            if sample is not None:
                _, own, place = np.intersect1d(some, sample, return_indices=True)
                near[own, place] = -1
            near.partition(near.shape[1] - nearest, axis=1)
            crowd[start : start + _AT_ONCE] = near[:, -nearest:].mean(axis=1)
        crowd *= CROWD_SHARE
        return crowd - np.float32(self._crowd.usual)

    def _refit_if_due(self) -> None:
        if self._changed > max(REFIT_MIN, min(REFIT_MAX, REFIT_SHARE * len(self))):
            self._refit(anew=len(self) > 2 * self._crowd.items)
        else:
            self._look()

    def _look(self) -> None:
        rows, fit = self._rows, self._fit
        self._view = _View(
            rows.head.array, rows.tail.array, rows.scale.array, rows.crowd.array, rows.starts.array,
            rows.columns.array, rows.counts.array, rows.tenant.array, rows.created.array, rows.is_live.array, fit.idf,
            fit.center, fit.lists,
            fit.words.array, fit.vectors.array, rows, self.projection,
        )  # fmt: skip

    def save(self, folder: Path) -> int:
        """Replaces what `folder` held, as a whole; returns bytes. Raises OSError."""
        with self._writing:
            rows = self._rows.copied(np.flatnonzero(self._rows.is_live.array))
            usual = np.array([self._crowd.usual])
            arrays = {"center": self.projection.center, "axes": self.projection.axes, "usual": usual}
        return past_file.save(folder, rows, arrays, self.encoder_digest)

    @classmethod
    def load(cls, folder: Path, encoder_digest: str, items_max: int = 1_000_000) -> "SimilarIndex":
        """Raises SnapshotError, and says why: missing, torn, of another format or another encoder."""
        rows, arrays = past_file.load(folder, encoder_digest)
        index = cls(Projection(arrays["center"], arrays["axes"]), encoder_digest, items_max)
        index._take(rows, float(arrays["usual"][0]))
        return index


def _spread(items: int) -> NDArray[np.intp]:
    """All of them, or where they are many a sample spread over them."""
    return np.linspace(0, items - 1, CROWD_SAMPLE).astype(np.intp) if items > CROWD_ALL_MAX else np.arange(items)


def _weigh(text: str, idf: NDArray[np.float32], asked: NDArray[np.float32]) -> NDArray[np.int32]:
    """Writes what each term of a text is worth into `asked`; returns the columns written."""
    found = terms.terms([text[:TEXT_CHARS_MAX]])
    values = _LOG_COUNTS[found.counts] * idf[found.columns]
    is_word = found.columns < terms.FIELD
    for field in (is_word, ~is_word):
        length = float(np.linalg.norm(values[field]))
        asked[found.columns[field]] = values[field] * (HALF / length if length else 0)
    return found.columns


def _hit(item: PastItem, alike: Sequence[PastItem], score: float, passage: str) -> Hit:
    resolution = next((one.resolution for one in (item, *alike) if one.resolution), "")
    live = tuple(one.item_id for one in alike if not one.resolution)
    return Hit(item.item_id, item.kind, item.title, score, passage, resolution, item.created_ms, len(alike), live)
