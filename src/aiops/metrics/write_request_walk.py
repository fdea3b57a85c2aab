"""One compiled walk over the bytes of a remote-write request: the place where every sample is touched first.

A series is known by the bytes of its labels as the sender wrote them: they are hashed under a secret key
(`label_hash`) and looked up in an open-addressing table. Labels are parsed, in Python, only for bytes unseen before.

Where labels end is guessed: what follows them, the samples, mostly takes as many bytes as in a series just before.
If the bytes up to there are those of a known series, its labels end there, and nothing need be read field by field.

Protobuf rules kept here: a known field with another wire type is an unknown field, unknown fields are skipped,
absent scalars are zero, the last of repeated scalars wins. Groups (deprecated in 2008) are refused.
"""

import numpy as np
from numba import njit

from aiops.compiled import forget_stale
from aiops.metrics.label_hash import hashed_bytes_max, label_hash
from aiops.metrics.unaligned import load_word

forget_stale(__file__)

OK, TRUNCATED, BAD_VARINT, BAD_FIELD, FULL = 0, 1, 2, 3, 4
REFUSED_ROW = -(2**31)
"""Row codes: >= 0 a row; -(u + 1) unknown series u of this request; REFUSED_ROW + k a series refused for reason k."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LABEL, SAMPLE, EXEMPLAR, HISTOGRAM = np.uint64(10), np.uint64(18), np.uint64(26), np.uint64(34)  # tags in a TimeSeries
EMPTY = np.uint64(0)


@njit(inline="always")
def varint(data, at, end):
    """(value uint64, next position; -1 truncated, -2 longer than ten bytes)."""
    if at < end and data[np.uint64(at)] < 0x80:  # nearly all: tags, and lengths of names and values
        return np.uint64(data[np.uint64(at)]), at + 1
    value, shift = np.uint64(0), np.uint64(0)
    while at < end:
        byte = np.uint64(data[np.uint64(at)])
        at += 1
        value |= (byte & np.uint64(0x7F)) << shift
        if byte < np.uint64(0x80):
            return value, at
        shift += np.uint64(7)
        if shift > np.uint64(63):
            return value, -2
    return value, -1


@njit(inline="always")
def skipped(data, at, end, wire):
    """Position after a field of this wire type; -1 truncated, -2 bad varint, -3 no such wire type."""
    if wire == VARINT:
        _, at = varint(data, at, end)
        return at
    if wire == BYTES:
        size, at = varint(data, at, end)
        if at < 0:
            return at
        return -1 if size > np.uint64(end - at) else at + np.int64(size)
    width = 8 if wire == FIXED64 else 4 if wire == FIXED32 else 0
    if width == 0:
        return -3
    return -1 if end - at < width else at + width


@njit(inline="always")
def slot_of(keys, key):
    """Where `key` stands in the table, or the empty slot where it would."""
    mask = np.uint64(len(keys) - 1)
    slot = key & mask
    while keys[slot] != EMPTY and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True)
def insert(keys, table_rows, key, row):
    """Writes key -> row into tables uint64 (2**m,), int32 (2**m,) that have room."""
    slot = slot_of(keys, key)
    keys[slot] = key
    table_rows[slot] = row


@njit(cache=True)
def rehash(keys, table_rows, new_keys, new_rows):
    for k in range(len(keys)):
        if keys[k] != EMPTY:
            slot = slot_of(new_keys, keys[k])
            new_keys[slot] = keys[k]
            new_rows[slot] = table_rows[k]


@njit(inline="always")
def known_slot(data, start, end, key, keys):
    """(slot of the series with these label bytes, their hash); -1 where they are not known."""
    hashed = label_hash(data, start, end, key)
    hashed = hashed if hashed != EMPTY else np.uint64(1)
    slot = slot_of(keys, hashed)
    return (np.int64(slot) if keys[slot] == hashed else np.int64(-1)), hashed


@njit(inline="always")
def guessed_end(data, start, end, tail, other_tail):
    """Where labels in data[start:end] may end if samples take as many bytes as one of these; -1: they do not."""
    for size in (tail, other_tail):
        if 0 < size < end - start and np.uint64(data[np.uint64(end - size)]) == SAMPLE:
            return end - size
    return np.int64(-1)


@njit(inline="always")
def read_sample(data, at, end, k, time_ms, bits):
    """One Sample message into column entry k; the error position as in `skipped`, else 0."""
    time_ms[k], bits[k] = 0, np.uint64(0)
    while at < end:
        tag, at = varint(data, at, end)
        if at < 0:
            return at
        wire = np.int64(tag & np.uint64(7))
        if tag == np.uint64(9):  # 1: double value
            if end - at < 8:
                return -1
            bits[k] = load_word(data, at)
            at += 8
        elif tag == np.uint64(16):  # 2: int64 timestamp
            value, at = varint(data, at, end)
            if at < 0:
                return at
            time_ms[k] = np.int64(value)
        else:
            at = -3 if tag < np.uint64(8) else skipped(data, at, end, wire)
            if at < 0:
                return at
    return 0


@njit(nogil=True, cache=True)
def walk(data, key, keys, table_rows, rows, time_ms, bits, unknown, skips):
    """Fills the columns from the bytes of a WriteRequest.

    data uint8 (n,); key: of `label_hash`; keys, table_rows: the hash table; rows int32, time_ms int64, bits uint64
    (m,): columns of samples. unknown int64 (m, 5): per unknown series the start and end of its labels (or of the whole
    message where labels stand apart), its hash, whether it has none (labels apart or too long), its number of labels;
    skips int64 (3,) counts exemplars, histograms, metadata. Returns (error code, byte position, samples, unknown
    series).
    """
    n, at, count, unknowns = len(data), 0, 0, 0
    tail, other_tail = np.int64(0), np.int64(0)  # bytes after the labels, of the series before and of one before it
    hashed_max = hashed_bytes_max(key)
    while at < n:
        field_at = at
        tag, at = varint(data, at, n)
        if at < 0:
            return (-at, field_at, count, unknowns)
        wire = np.int64(tag & np.uint64(7))
        if tag != np.uint64(10):  # 1: TimeSeries
            at = -3 if tag < np.uint64(8) else skipped(data, at, n, wire)
            if at < 0:
                return (-at, field_at, count, unknowns)
            if tag == np.uint64(26):
                skips[2] += 1
            continue
        size, at = varint(data, at, n)
        if at < 0 or size > np.uint64(n - at):
            return (-at if at < 0 else TRUNCATED, field_at, count, unknowns)
        start, end = at, at + np.int64(size)
        first = count
        labels_start, labels_end, label_count, apart = -1, -1, 0, False
        exemplars, histograms, slot = skips[0], skips[1], np.int64(-1)
        guess = guessed_end(data, start, end, tail, other_tail)
        if 0 <= guess - start <= hashed_max:
            slot, hashed = known_slot(data, start, guess, key, keys)
            at = guess if slot >= 0 else start
        while at < end:
            inner_at = at
            tag, at = varint(data, at, end)
            if at < 0:
                return (-at, inner_at, count, unknowns)
            wire = np.int64(tag & np.uint64(7))
            if tag == SAMPLE:
                size, at = varint(data, at, end)
                if at < 0 or size > np.uint64(end - at):
                    return (-at if at < 0 else TRUNCATED, inner_at, count, unknowns)
                if count >= len(rows):
                    return (FULL, inner_at, count, unknowns)
                stop = at + np.int64(size)
                error = read_sample(data, at, stop, count, time_ms, bits)
                if error < 0:
                    return (-error, inner_at, count, unknowns)
                count += 1
                at = stop
                continue
            at = -3 if tag < np.uint64(8) else skipped(data, at, end, wire)
            if at < 0:
                return (-at, inner_at, count, unknowns)
            if tag == LABEL and slot >= 0:  # more of them: read again, without a guess
                skips[0], skips[1], count, at, slot = exemplars, histograms, first, start, np.int64(-1)
            elif tag == LABEL:
                if labels_start < 0:
                    labels_start = inner_at
                elif labels_end != inner_at:
                    apart = True
                labels_end = at
                label_count += 1
            elif tag == EXEMPLAR:
                skips[0] += 1
            elif tag == HISTOGRAM:
                skips[1] += 1
        if count == first:
            continue
        if slot < 0:
            hashed = EMPTY
            if apart or labels_start < 0:
                labels_start, labels_end, apart = start, end, True
            elif labels_end - labels_start > hashed_max:
                apart = True
            else:
                slot, hashed = known_slot(data, labels_start, labels_end, key, keys)
                if end - labels_end != tail:
                    tail, other_tail = end - labels_end, tail
        elif end - guess != tail:
            tail, other_tail = end - guess, tail
        if slot >= 0:
            row = table_rows[slot]
        else:
            unknown[unknowns, 0], unknown[unknowns, 1] = labels_start, labels_end
            unknown[unknowns, 2] = np.int64(hashed)
            unknown[unknowns, 3], unknown[unknowns, 4] = (1 if apart else 0), label_count
            unknowns += 1
            row = np.int32(-unknowns)
        for k in range(first, count):
            rows[k] = row
    return (OK, n, count, unknowns)
