"""One compiled walk over the bytes of a remote-write request: the place where every sample is touched first.

A series is known by the bytes of its labels as the sender wrote them: they are hashed under a secret key
(`label_hash`) and looked up (`label_table`). Labels are parsed, in Python, only for bytes unseen before.

Where labels end is guessed: what follows them, the samples, mostly takes as many bytes as in a series just before.
If the bytes up to there are those of a known series, its labels end there, and nothing need be read field by field.

Protobuf rules kept here: a known field with another wire type is an unknown field, unknown fields are skipped,
absent scalars are zero, the last of repeated scalars wins. Groups (deprecated in 2008) are refused.
"""

import numpy as np
from numba import njit

from aiops.compiled import forget_stale
from aiops.metrics.label_hash import hashed_bytes_max, label_hash
from aiops.metrics.label_table import find_after
from aiops.metrics.unaligned import load_word

forget_stale(__file__)

OK, TRUNCATED, BAD_VARINT, BAD_FIELD, FULL = 0, 1, 2, 3, 4
REFUSED_ROW = -(2**31)
"""Row codes: >= 0 a row; -(u + 1) unknown series u of this request; REFUSED_ROW + k a series refused for reason k."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LABEL, SAMPLE, EXEMPLAR, HISTOGRAM = np.uint64(10), np.uint64(18), np.uint64(26), np.uint64(34)  # tags in a TimeSeries
EMPTY = np.uint64(0)
USUAL_BYTES = 16  # of a sample: tag, eight of the value, tag, six of the time
SIX_BYTES_MASK, SIX_BYTES = np.uint64(0x8080_8080_8080), np.uint64(0x0080_8080_8080)


@njit(inline="always")
def varint(data, at, end):
    """(value uint64, next position; -1 truncated, -2 longer than ten bytes)."""
    if at < end and data[np.uint64(at)] < 0x80:  # nearly all: tags, and lengths of names and values
        return np.uint64(data[np.uint64(at)]), at + 1
    if at + 1 < end and data[np.uint64(at + 1)] < 0x80:  # the length of a series
        return np.uint64(data[np.uint64(at)] & 0x7F) | np.uint64(data[np.uint64(at + 1)]) << np.uint64(7), at + 2
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
def known_entry(data, start, end, key, before, slots, hashes, followers):
    """(entry of the series with these label bytes, their hash); -1 where they are not known."""
    hashed = label_hash(data, start, end, key)
    hashed = hashed if hashed != EMPTY else np.uint64(1)
    return find_after(before, slots, hashes, followers, hashed), hashed


@njit(inline="always")
def guessed_end(data, start, end, tail, other_tail):
    """Where labels in data[start:end] may end if samples take as many bytes as one of these; -1: they do not."""
    for size in (tail, other_tail):
        if 0 < size < end - start and np.uint64(data[np.uint64(end - size)]) == SAMPLE:
            return end - size
    return np.int64(-1)


@njit(inline="always")
def time_of_six(word):
    """The number of a varint of six bytes, which are the lower ones of `word`: every time in ms from 2004 to 2109."""
    septets = word & np.uint64(0x7F7F_7F7F_7F7F)
    pairs = (septets & np.uint64(0x007F_007F_007F)) | (septets & np.uint64(0x7F00_7F00_7F00)) >> np.uint64(1)
    low, middle = pairs & np.uint64(0x3FFF), pairs >> np.uint64(2) & np.uint64(0x0FFF_C000)
    return np.int64(low | middle | (pairs >> np.uint64(4) & np.uint64(0x3FF_F000_0000)))


@njit(inline="always")
def read_sample(data, at, end, k, time_ms, bits):
    """One Sample message into column entry k; the error position as in `skipped`, else 0."""
    if end - at == USUAL_BYTES and data[np.uint64(at)] == 9 and data[np.uint64(at + 9)] == 16:
        word = load_word(data, end - 8) >> np.uint64(16)
        if word & SIX_BYTES_MASK == SIX_BYTES:
            bits[k], time_ms[k] = load_word(data, at + 1), time_of_six(word)
            return 0
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
def walk(data, key, slots, hashes, table_rows, followers, before, rows, time_ms, bits, unknown, skips):
    """Fills the columns from the bytes of a WriteRequest.

    data uint8 (n,); key: of `label_hash`; slots, hashes, table_rows, followers, before: those of
    `LabelTable` and its last entry; rows int32, time_ms int64, bits uint64
    (m,): columns of samples. unknown int64 (m, 5): per unknown series the start and end of its labels (or of the whole
    message where labels stand apart), its hash, whether it has none (labels apart or too long), its number of labels;
    skips int64 (3,) counts exemplars, histograms, metadata. Returns (error code, byte position, samples, unknown
    series, last entry).
    """
    n, at, count, unknowns = len(data), 0, 0, 0
    tail, other_tail = np.int64(0), np.int64(0)  # bytes after the labels, of the series before and of one before it
    hashed_max = hashed_bytes_max(key)
    while at < n:
        field_at = at
        tag, at = varint(data, at, n)
        if at < 0:
            return (-at, field_at, count, unknowns, before)
        wire = np.int64(tag & np.uint64(7))
        if tag != np.uint64(10):  # 1: TimeSeries
            at = -3 if tag < np.uint64(8) else skipped(data, at, n, wire)
            if at < 0:
                return (-at, field_at, count, unknowns, before)
            if tag == np.uint64(26):
                skips[2] += 1
            continue
        size, at = varint(data, at, n)
        if at < 0 or size > np.uint64(n - at):
            return (-at if at < 0 else TRUNCATED, field_at, count, unknowns, before)
        start, end = at, at + np.int64(size)
        first = count
        labels_start, labels_end, label_count, apart = -1, -1, 0, False
        exemplars, histograms, entry = skips[0], skips[1], np.int64(-1)
        guess = guessed_end(data, start, end, tail, other_tail)
        if 0 <= guess - start <= hashed_max:
            entry, hashed = known_entry(data, start, guess, key, before, slots, hashes, followers)
            at = guess if entry >= 0 else start
        while at < end:
            inner_at = at
            tag, at = varint(data, at, end)
            if at < 0:
                return (-at, inner_at, count, unknowns, before)
            wire = np.int64(tag & np.uint64(7))
            if tag == SAMPLE:
                size, at = varint(data, at, end)
                if at < 0 or size > np.uint64(end - at):
                    return (-at if at < 0 else TRUNCATED, inner_at, count, unknowns, before)
                if count >= len(rows):
                    return (FULL, inner_at, count, unknowns, before)
                stop = at + np.int64(size)
                error = read_sample(data, at, stop, count, time_ms, bits)
                if error < 0:
                    return (-error, inner_at, count, unknowns, before)
                count += 1
                at = stop
                continue
            at = -3 if tag < np.uint64(8) else skipped(data, at, end, wire)
            if at < 0:
                return (-at, inner_at, count, unknowns, before)
            if tag == LABEL and entry >= 0:  # more of them: read again, without a guess
                skips[0], skips[1], count, at, entry = exemplars, histograms, first, start, np.int64(-1)
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
        if entry < 0:
            hashed = EMPTY
            if apart or labels_start < 0:
                labels_start, labels_end, apart = start, end, True
            elif labels_end - labels_start > hashed_max:
                apart = True
            else:
                entry, hashed = known_entry(data, labels_start, labels_end, key, before, slots, hashes, followers)
                if end - labels_end != tail:
                    tail, other_tail = end - labels_end, tail
        elif end - guess != tail:
            tail, other_tail = end - guess, tail
        if entry >= 0:
            row = table_rows[np.uint64(entry)]
        else:
            unknown[unknowns, 0], unknown[unknowns, 1] = labels_start, labels_end
            unknown[unknowns, 2] = np.int64(hashed)
            unknown[unknowns, 3], unknown[unknowns, 4] = (1 if apart else 0), label_count
            unknowns += 1
            row = np.int32(-unknowns)
        before = entry
        for k in range(first, count):
            rows[k] = row
    return (OK, n, count, unknowns, before)
