"""A keyed 64-bit hash of label bytes, sixteen bytes to one multiplication.

NH (Black, Halevi, Krawczyk, Krovetz and Rogaway 1999, "UMAC") makes 128 bits of the bytes, padded with zeros; a
multilinear step (Lemire and Kaser 2014) makes 64 bits of these and the length. Whatever two texts a sender chooses
without knowing the key, they collide with a probability of at most 2**-63: nobody sends colliding labels on purpose.
"""

import secrets
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from aiops.metrics.unaligned import load_word

FINAL_WORDS = 8  # of the key: four numbers of 128 bits for the last step; the others belong to a place in the text


def random_key(bytes_max: int) -> NDArray[np.uint64]:
    """uint64 (m,) for texts of so many bytes and somewhat more; unforeseeable."""
    return np.frombuffer(secrets.token_bytes(8 * (FINAL_WORDS + 2 * (bytes_max // 16 + 1))), np.uint64)


@njit(inline="always")
def hashed_bytes_max(key):
    """The longest text this key can hash."""
    return 8 * (len(key) - FINAL_WORDS)


@intrinsic
def add_product(typing_context: Any, low: Any, high: Any, a: Any, b: Any) -> Any:
    """(low, high) + a * b of 128 bits, all uint64; what does not fit is dropped."""
    word = types.uint64

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide, bits = ir.IntType(128), ir.Constant(ir.IntType(128), 64)
        lower, upper, a, b = (builder.zext(argument, wide) for argument in arguments)
        total = builder.add(builder.or_(lower, builder.shl(upper, bits)), builder.mul(a, b))
        halves = [builder.trunc(total, ir.IntType(64)), builder.trunc(builder.lshr(total, bits), ir.IntType(64))]
        return context.make_tuple(builder, signature.return_type, halves)

    return types.UniTuple(word, 2)(word, word, word, word), generate


@njit(inline="always")
def last_word(data, start, at, end):
    """The fewer than eight bytes data[at:end] as one number; those from `start` on belong to the text too."""
    if at >= end:
        return np.uint64(0)
    if end - start >= 8:
        return load_word(data, end - 8) >> np.uint64(8 * (8 - (end - at)))
    word = np.uint64(0)
    for k in range(end - at):
        word |= np.uint64(data[at + k]) << np.uint64(8 * k)
    return word


@njit(inline="always")
def label_hash(data, start, end, key):
    """uint64 of data[start:end], uint8 (n,), under `key`; not longer than `hashed_bytes_max`."""
    low, high = np.uint64(0), np.uint64(0)
    at, k = start, FINAL_WORDS
    while at + 16 <= end:
        low, high = add_product(low, high, load_word(data, at) + key[k], load_word(data, at + 8) + key[k + 1])
        at, k = at + 16, k + 2
    if at < end:
        first, second = np.uint64(0), np.uint64(0)
        if at + 8 <= end:
            first, second = load_word(data, at), last_word(data, start, at + 8, end)
        else:
            first = last_word(data, start, at, end)
        low, high = add_product(low, high, first + key[k], second + key[k + 1])
    length = np.uint64(end - start)
    total, mixed = add_product(key[0], key[1], key[2], low)
    total, mixed = add_product(total, mixed, key[4], high)
    total, mixed = add_product(total, mixed, key[6], length)
    return mixed + key[3] * low + key[5] * high + key[7] * length
