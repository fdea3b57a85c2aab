"""What a similarity index keeps of its items: one row each, in arrays that only grow, so that who reads needs no lock.

A row once written stays as it is; only `is_live` is cleared when an item goes. Dead rows are left behind when the
whole is copied. Numbers that depend on all items (lengths under the IDF and the mean of now) are in `similar`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from aiops.tickets.similar_kernel import HEAD, TAIL
from aiops.tickets.terms import Terms, terms

WIDTH = HEAD + TAIL
TEXT_CHARS_MAX = 1000  # of an item that are kept and compared; what comes later in a long text is history and logs
NEVER = np.iinfo(np.int64).max  # of unknown time: before nothing


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


class Grown:
    """An array that grows at its end, room doubled as needed: what was handed out stays valid and still."""

    def __init__(self, kind: type, *shape: int) -> None:
        self._room: NDArray[Any] = np.empty((16, *shape), kind)
        self.size = 0

    def append(self, values: NDArray[Any]) -> None:
        """Copies `values` behind what is there."""
        need = self.size + len(values)
        if need > len(self._room):
            wider = np.empty((max(need, 2 * len(self._room)), *self._room.shape[1:]), self._room.dtype)
            wider[: self.size] = self._room[: self.size]
            self._room = wider
        self._room[self.size : need] = values
        self.size = need

    @property
    def array(self) -> NDArray[Any]:
        """What is there now."""
        return self._room[: self.size]


class Rows:
    """The rows. `records` are the items as msgpack: a third of what the objects would take."""

    def __init__(self) -> None:
        self.head, self.tail = Grown(np.int8, HEAD), Grown(np.int8, TAIL)
        self.scale = Grown(np.float32)
        self.starts, self.columns, self.counts = Grown(np.int64), Grown(np.int32), Grown(np.uint8)
        self.starts.append(np.zeros(1, np.int64))
        self.tenant, self.created = Grown(np.int32), Grown(np.int64)
        self.is_live = Grown(np.bool_)
        self.records: list[bytes] = []
        self.tenants: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.records)

    def append(self, items: Sequence[PastItem], kept: NDArray[np.float32]) -> None:
        """`kept` (n, 128): the vectors turned, the first 32 numbers holding most."""
        scale = np.maximum(np.abs(kept).max(axis=1, initial=0), 1e-9) / 127
        small = np.round(kept / scale[:, None]).astype(np.int8)
        found = terms([item.joined for item in items])
        codes = [self.tenants.setdefault(item.tenant, len(self.tenants)) for item in items]
        times = [NEVER if item.created_ms is None else item.created_ms for item in items]
        self._append(small, scale, found, np.array(codes, np.int32), np.array(times, np.int64))
        self.records += [
            _encoder.encode(item if len(item.text) <= TEXT_CHARS_MAX else _shortened(item)) for item in items
        ]

    def _append(
        self,
        small: NDArray[np.int8],
        scale: NDArray[np.float32],
        found: Terms,
        tenant: NDArray[np.int32],
        created: NDArray[np.int64],
    ) -> None:
        self.head.append(small[:, :HEAD])
        self.tail.append(small[:, HEAD:])
        self.scale.append(scale)
        self.starts.append(self.columns.size + found.starts[1:])
        self.columns.append(found.columns)
        self.counts.append(found.counts)
        self.tenant.append(tenant)
        self.created.append(created)
        self.is_live.append(np.ones(len(scale), np.bool_))

    def item(self, row: int) -> PastItem:
        """The item of a row."""
        return _decoder.decode(self.records[row])

    def item_id(self, row: int) -> str:
        """Its id alone."""
        return _id_decoder.decode(self.records[row]).item_id

    def copied(self, rows: NDArray[np.intp]) -> "Rows":
        """These rows alone, in this order."""
        other = Rows()
        other.tenants = dict(self.tenants)
        starts = self.starts.array
        sizes = starts[rows + 1] - starts[rows]
        ends = np.cumsum(sizes)
        at = np.repeat(starts[rows] - (ends - sizes), sizes) + np.arange(ends[-1] if len(ends) else 0)
        found = Terms(np.concatenate([[0], ends]), self.columns.array[at], self.counts.array[at])
        small = np.hstack([self.head.array[rows], self.tail.array[rows]])
        other._append(small, self.scale.array[rows], found, self.tenant.array[rows], self.created.array[rows])
        other.is_live.array[:] = self.is_live.array[rows]
        other.records = [self.records[row] for row in rows]
        return other

    def vectors(self, rows: slice) -> NDArray[np.float32]:
        """As they are kept: float32 (n, 128)."""
        small = np.hstack([self.head.array[rows], self.tail.array[rows]])
        wide: NDArray[np.float32] = small * self.scale.array[rows, None]
        return wide


def _shortened(item: PastItem) -> PastItem:
    return PastItem(
        item.item_id, item.kind, item.title, item.text[:TEXT_CHARS_MAX], item.tenant, item.created_ms, item.resolution
    )


@dataclass(frozen=True, slots=True)
class _Named:
    item_id: str


_id_decoder = msgspec.msgpack.Decoder(_Named)
_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(PastItem)
