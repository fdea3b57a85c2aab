"""Past tickets and incidents like a new one: exact hybrid search by words, letters and meaning.

    score = (cosine of the centred vectors + 0.5 cosine of words + 0.5 cosine of letter groups) / 2

A plain sum: a text of few rare words is ranked by its meaning, an error code by itself, and no part is scaled to a
say it has not earned. Exact: every item that tenant and time let in is scored by this formula; nothing is approximated
in the search. The vectors are kept as 128 numbers of 8 bits.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from aiops.errors import InputError, SnapshotError
from aiops.tickets import terms
from aiops.tickets.passage import passages

WIDTH = 128  # of a kept vector: as good as 384, at a third of the room and time
TEXT_CHARS_MAX = 1000  # of an item that are compared; what comes later in a long text is history and logs
WORDS_SHARE, LETTERS_SHARE = 0.5, 0.5
SCORE_MAX = 1 + WORDS_SHARE + LETTERS_SHARE
FORMAT = 1
MANIFEST, ARRAYS, ITEMS = "manifest.json", "index.safetensors", "items.jsonl"


@dataclass(frozen=True, slots=True)
class PastItem:
    """What happened before. `title` and `text` as `reading` left them: without personal data."""

    item_id: str
    kind: str = "ticket"  # or incident
    title: str = ""
    text: str = ""
    tenant: str = ""
    created_ms: int | None = None
    resolution: str = ""

    @property
    def joined(self) -> str:
        """What is compared."""
        both = f"{self.title}\n{self.text}" if self.title and self.text else self.title or self.text
        return both[:TEXT_CHARS_MAX]


@dataclass(frozen=True, slots=True)
class Hit:
    """A past item like the text asked about; `score` is 1 for the same text. `duplicates` counts the items that say
    the same as this one and are not shown, `live` names those of them without a resolution."""

    item_id: str
    kind: str
    title: str
    score: float
    passage: str
    resolution: str
    created_ms: int | None
    duplicates: int = 0
    live: tuple[str, ...] = ()


class SimilarIndex:
    """`basis` (width of the encoder, 128) turns a vector of the encoder called `encoder_digest` into what is kept."""

    def __init__(self, basis: NDArray[np.float32], encoder_digest: str, items_max: int = 1_000_000) -> None:
        self.basis, self.encoder_digest, self._items_max = basis, encoder_digest, items_max
        self._items: dict[str, tuple[PastItem, NDArray[np.float32]]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def add(self, items: Sequence[PastItem], vectors: NDArray[np.float32]) -> None:
        """One row of `vectors`, (n, width of the encoder), per item. An item whose id is there already replaces it.
        At `items_max` the items added first are dropped."""
        if vectors.shape != (len(items), len(self.basis)):
            raise InputError(f"{len(items)} items with vectors of shape {vectors.shape}")
        for item, vector in zip(items, vectors @ self.basis, strict=True):
            self._items.pop(item.item_id, None)
            self._items[item.item_id] = (item, vector)
        while len(self._items) > self._items_max:
            del self._items[next(iter(self._items))]

    def remove(self, ids: Sequence[str]) -> None:
        """Ids that are not there are passed over."""
        for item_id in ids:
            self._items.pop(item_id, None)

    def save(self, folder: Path) -> None:
        """Replaces what `folder` held, as a whole. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = np.array([vector for _, vector in self._items.values()], np.float32).reshape(-1, WIDTH)
        raw = save_arrays({"basis": self.basis, "vectors": kept})
        lines = "".join(json.dumps(asdict(item)) + "\n" for item, _ in self._items.values()).encode()
        manifest = {
            "format": FORMAT,
            "encoder": self.encoder_digest,
            "sha256": {name: hashlib.sha256(part).hexdigest() for name, part in ((ARRAYS, raw), (ITEMS, lines))},
        }
        for name, part in ((ARRAYS, raw), (ITEMS, lines), (MANIFEST, json.dumps(manifest).encode())):
            draft = folder / f"{name}.draft"
            draft.write_bytes(part)
            draft.replace(folder / name)

    @classmethod
    def load(cls, folder: Path, encoder_digest: str, items_max: int = 1_000_000) -> "SimilarIndex":
        """Raises SnapshotError, and says why: missing, torn, of another format or another encoder."""
        try:
            manifest = json.loads((folder / MANIFEST).read_bytes())
            raw, lines = (folder / ARRAYS).read_bytes(), (folder / ITEMS).read_bytes()
            if manifest["format"] != FORMAT or manifest["encoder"] != encoder_digest:
                raise SnapshotError(f"{folder} is an index of another format or encoder: index the past again")
            for name, part in ((ARRAYS, raw), (ITEMS, lines)):
                if hashlib.sha256(part).hexdigest() != manifest["sha256"][name]:
                    raise SnapshotError(f"{folder / name} is not the file its manifest names: index the past again")
            arrays = load_arrays(raw)
            index = cls(arrays["basis"], encoder_digest, items_max)
            items = [PastItem(**json.loads(line)) for line in lines.splitlines()]
            index._items = {item.item_id: (item, vector) for item, vector in zip(items, arrays["vectors"], strict=True)}
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise SnapshotError(f"{folder} holds no index: {error}") from None
        return index

    def search(
        self,
        text: str,
        vector: NDArray[np.float32],
        top: int,
        tenant: str | None = None,
        before_ms: int | None = None,
        except_id: str | None = None,
    ) -> list[Hit]:
        """The best `top`, best first. `text` is title and body as reading left them, `vector` its (width,) sentence
        vector. `tenant` None searches all of them; `before_ms` leaves only items created earlier, of known time."""
        everything = list(self._items.values())
        found = [
            (item, vector)
            for item, vector in everything
            if item.item_id != except_id
            and (tenant is None or item.tenant == tenant)
            and (before_ms is None or (item.created_ms is not None and item.created_ms < before_ms))
        ]
        if not found:
            return []
        joined = [item.joined for item, _ in everything]
        center = np.mean([vector for _, vector in everything], axis=0)
        kept = np.stack([vector for _, vector in found]) - center
        asked = vector @ self.basis - center
        scores = kept @ asked / np.maximum(np.linalg.norm(kept, axis=1) * np.linalg.norm(asked), 1e-12)
        for share, count in ((WORDS_SHARE, terms.words), (LETTERS_SHARE, terms.letters)):
            idf = _idf(count(joined))
            scores = scores + share * _cosines(count([item.joined for item, _ in found]), count([text]), idf)
        order = np.argsort(-scores, kind="stable")[:top]
        said = passages(text, [found[k][0].text for k in order])
        return [
            Hit(i.item_id, i.kind, i.title, float(scores[k]) / SCORE_MAX, passage, i.resolution, i.created_ms)
            for k, passage, i in ((k, passage, found[k][0]) for k, passage in zip(order, said, strict=True))
        ]


def _idf(counted: terms.Terms) -> NDArray[np.float64]:
    seen_in = np.bincount(counted.columns, minlength=terms.SIZE)
    rare: NDArray[np.float64] = np.log((len(counted.starts)) / (1 + seen_in)) + 1
    return rare


def _cosines(rows: terms.Terms, one: terms.Terms, idf: NDArray[np.float64]) -> NDArray[np.float64]:
    asked = np.zeros(terms.SIZE)
    asked[one.columns] = (1 + np.log(one.counts)) * idf[one.columns]
    values = (1 + np.log(rows.counts)) * idf[rows.columns]
    row = np.repeat(np.arange(len(rows.starts) - 1), np.diff(rows.starts))
    products = np.bincount(row, values * asked[rows.columns], minlength=len(rows.starts) - 1)
    norms = np.sqrt(np.bincount(row, values * values, minlength=len(rows.starts) - 1)) * np.linalg.norm(asked)
    cosines: NDArray[np.float64] = products / np.maximum(norms, 1e-12)
    return cosines
