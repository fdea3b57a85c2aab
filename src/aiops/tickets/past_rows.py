"""What a similarity index keeps of its items: one row each, in arrays that only grow, so that who reads needs no lock.

A row once written stays as it is; only `is_live` is cleared when an item goes. Dead rows are left behind when the
whole is copied. Numbers that depend on all items (lengths under the IDF and the mean of now) are in `similar`.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from aiops.tickets.similar_kernel import HEAD
from aiops.tickets.terms import Terms, terms

TEXT_CHARS_MAX = 1000  # of an item that are kept and compared; what comes later in a long text is history and logs
_AT_ONCE = 4096  # rows in one product
UNKNOWN = np.iinfo(np.int64).min  # of unknown time: before anything that is asked now


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
        """Title and text as one, as `Reading.joined`."""
        return f"{self.title}\n{self.text}" if self.title and self.text else self.title or self.text


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

    def __init__(self, width: int) -> None:
        self.width = width  # of a vector
        self.head, self.tail = Grown(np.int8, HEAD), Grown(np.int8, width - HEAD)
        self.scale, self.crowd = Grown(np.float32), Grown(np.float32)
        self.starts, self.columns, self.counts = Grown(np.int64), Grown(np.int32), Grown(np.uint8)
        self.starts.append(np.zeros(1, np.int64))
        self.tenant, self.created = Grown(np.int32), Grown(np.int64)
        self.is_live = Grown(np.bool_)
        self.records: list[bytes] = []
        self.tenants: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.records)

    def append(self, items: Sequence[PastItem], kept: NDArray[np.float32]) -> None:
        """`kept` (n, width): the vectors turned, the first numbers holding most. `crowd` is left to who knows it."""
        small, scale = _small(kept)
        found = terms([item.joined[:TEXT_CHARS_MAX] for item in items])
        codes = [self.tenants.setdefault(item.tenant, len(self.tenants)) for item in items]
        times = [UNKNOWN if item.created_ms is None else item.created_ms for item in items]
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

    def key(self, row: int) -> tuple[str, str]:
        """Tenant and id of a row."""
        named = _key_decoder.decode(self.records[row])
        return named.tenant, named.item_id

    def places(self) -> dict[tuple[str, str], int]:
        """Row by tenant and id."""
        return {self.key(row): row for row in range(len(self))}

    def copied(self, rows: NDArray[np.intp]) -> "Rows":
        """These rows alone, in this order."""
        other = Rows(self.width)
        other.tenants = dict(self.tenants)
        starts = self.starts.array
        sizes = starts[rows + 1] - starts[rows]
        ends = np.cumsum(sizes)
        at = np.repeat(starts[rows] - (ends - sizes), sizes) + np.arange(ends[-1] if len(ends) else 0)
        found = Terms(np.concatenate([[0], ends]), self.columns.array[at], self.counts.array[at])
        small = np.hstack([self.head.array[rows], self.tail.array[rows]])
        other._append(small, self.scale.array[rows], found, self.tenant.array[rows], self.created.array[rows])
        other.crowd.append(self.crowd.array[rows])
        other.is_live.array[:] = self.is_live.array[rows]
        other.records = [self.records[row] for row in rows]
        return other

    def turned(self, turn: NDArray[np.float32]) -> "Rows":
        """The same rows, their vectors times `turn`, (width, width) and orthogonal; the rest is shared with this."""
        other = copy(self)
        other.head, other.tail = Grown(np.int8, HEAD), Grown(np.int8, self.width - HEAD)
        other.scale = Grown(np.float32)
        for start in range(0, len(self), _AT_ONCE):
            small, scale = _small(self.vectors(slice(start, start + _AT_ONCE)) @ turn)
            other.head.append(small[:, :HEAD])
            other.tail.append(small[:, HEAD:])
            other.scale.append(scale)
        return other

    def vectors(self, rows: slice | NDArray[np.intp]) -> NDArray[np.float32]:
        """As they are kept: float32 (n, width)."""
        small = np.hstack([self.head.array[rows], self.tail.array[rows]])
        wide: NDArray[np.float32] = small * self.scale.array[rows, None]
        return wide


def _small(kept: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """In 8 bits, and what one step of each row is."""
    scale = np.maximum(np.abs(kept).max(axis=1, initial=0), 1e-9) / 127
    return np.round(kept / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def _shortened(item: PastItem) -> PastItem:
    return PastItem(
        item.item_id, item.kind, item.title, item.text[:TEXT_CHARS_MAX], item.tenant, item.created_ms, item.resolution
    )


@dataclass(frozen=True, slots=True)
class _Named:
    item_id: str
    tenant: str


_key_decoder = msgspec.msgpack.Decoder(_Named)
_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(PastItem)
