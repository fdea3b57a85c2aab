"""Labels of many series as few bytes, and back in little time.

Series of one sender repeat their pairs: the same job, the same region, the same instance. In a block each pair stands
once, and a series is a row of numbers of pairs. What comes back shares the pairs too: a tenth of the strings to make,
and to keep.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, count

import cramjam
import msgspec
import numpy as np
from numpy.typing import NDArray

from aiops.metrics.series import Labels

LEVEL = 1  # of zstd: text of labels comes to a tenth whatever the level


class _Block(msgspec.Struct, array_like=True):
    """Arrays as bytes, uint32 but for the last."""

    names: list[str]
    name_of: bytes  # (pairs,): which name
    values: list[str]  # of each pair
    sizes: bytes  # (series,): how many pairs; 0 in a free row
    pairs: bytes  # (sum of sizes,): which pairs, series after series
    counters: bytes  # bool (series,)


def encode_block(series: Sequence[Labels], is_counter: NDArray[np.bool_]) -> bytes:
    """The labels of these series and whether each is a counter, bool (series,)."""
    sizes = np.fromiter(map(len, series), np.uint32, len(series))
    number_of: dict[tuple[str, str], int] = defaultdict(count().__next__)
    pairs = np.fromiter(map(number_of.__getitem__, chain.from_iterable(series)), np.uint32, int(sizes.sum()))
    name_number: dict[str, int] = defaultdict(count().__next__)
    name_of = np.fromiter((name_number[name] for name, _ in number_of), np.uint32, len(number_of))
    block = _Block(
        names=list(name_number),
        name_of=name_of.tobytes(),
        values=[value for _, value in number_of],
        sizes=sizes.tobytes(),
        pairs=pairs.tobytes(),
        counters=is_counter.tobytes(),
    )
    return bytes(cramjam.zstd.compress(msgspec.msgpack.encode(block), LEVEL))


def decode_block(data: bytes) -> tuple[list[Labels], NDArray[np.bool_]]:
    """What `encode_block` was given. Raises ValueError where these bytes are not from there."""
    try:
        block = msgspec.msgpack.decode(cramjam.zstd.decompress(data), type=_Block)
        names = list(map(block.names.__getitem__, np.frombuffer(block.name_of, np.uint32).tolist()))
        known = np.fromiter(zip(names, block.values, strict=True), object, len(names))
        stops = np.cumsum(np.frombuffer(block.sizes, np.uint32)).tolist()
        pairs = known[np.frombuffer(block.pairs, np.uint32)].tolist()
    except (cramjam.DecompressionError, msgspec.DecodeError, IndexError) as error:
        raise ValueError(f"no block of labels: {error}") from None
    counters = np.frombuffer(block.counters, np.bool_)
    if len(counters) != len(stops) or len(pairs) != (stops[-1] if stops else 0):
        raise ValueError("no block of labels: its parts are of different lengths")
    return [tuple(pairs[start:stop]) for start, stop in zip([0, *stops], stops, strict=False)], counters
