"""Loops of the search for similar items: exact, and most of the numbers never read.

A score is what the words share plus the cosine of two vectors. What the words share comes from lists of rows per term.
The vectors are split: the first 128 numbers, turned so that they hold most, are read for every row; what the others can
add at most follows from their length (Cauchy-Schwarz), and only rows that could still be among the best by it are read
to the end. Nothing is guessed: a row is passed over only where it cannot be among the best.
"""

import numba as nb
import numpy as np

HEAD = 128  # numbers of a vector read for every row
_SUMS = {"reassoc", "contract", "nsz"}  # sums may be taken in any order: several numbers at a time


@nb.njit(cache=True, nogil=True)
def count_rows_of_terms(starts, columns, seen_in, step):
    """Adds `step` to `seen_in`, (terms.SIZE,), for every term of every row."""
    for at in range(starts[0], starts[-1]):
        seen_in[columns[at]] += step


@nb.njit(cache=True, nogil=True)
def inverse_lengths(starts, columns, counts, idf, field, log_counts, first, stop, out):
    """1 / length of a row's words and of its beginnings, into out[row - first]; 0 where it has none."""
    for i in range(first, stop):
        words, beginnings = np.float32(0), np.float32(0)
        for at in range(starts[i], starts[i + 1]):
            value = log_counts[counts[at]] * idf[columns[at]]
            if columns[at] < field:
                words += value * value
            else:
                beginnings += value * value
        out[i - first, 0] = 1 / np.sqrt(words) if words > 0 else 0
        out[i - first, 1] = 1 / np.sqrt(beginnings) if beginnings > 0 else 0


@nb.njit(cache=True, nogil=True, fastmath=_SUMS)
def vector_lengths(head, tail, scale, center, first, stop, out):
    """Of row - center: (1 / length, length of what is behind its head / length) into out[row - first]."""
    for i in range(first, stop):
        whole, rest = np.float32(0), np.float32(0)
        for k in range(HEAD):
            x = head[i, k] * scale[i] - center[k]
            whole += x * x
        for k in range(tail.shape[1]):
            x = tail[i, k] * scale[i] - center[HEAD + k]
            rest += x * x
        whole = max(np.sqrt(whole + rest), np.float32(1e-6))
        out[i - first, 0] = 1 / whole
        out[i - first, 1] = np.sqrt(rest) / whole


@nb.njit(cache=True, nogil=True)
def lists_of_terms(starts, columns, counts, idf, field, log_counts, lengths, rows, size):
    """(list_starts (size + 1,), list_rows, weights): per term the rows it stands in, ascending, and how much of a
    row it is. Terms that count nothing have no list."""
    list_starts = np.zeros(size + 1, np.int64)
    for at in range(starts[0], starts[rows]):
        if idf[columns[at]] > 0:
            list_starts[columns[at] + 1] += 1
    for k in range(size):
        list_starts[k + 1] += list_starts[k]
    place = list_starts[:-1].copy()
    list_rows = np.empty(list_starts[size], np.int32)
    weights = np.empty(list_starts[size], np.float32)
    for i in range(rows):
        for at in range(starts[i], starts[i + 1]):
            column = columns[at]
            if idf[column] > 0:
                length = lengths[i, 0] if column < field else lengths[i, 1]
                list_rows[place[column]] = i
                weights[place[column]] = log_counts[counts[at]] * idf[column] * length
                place[column] += 1
    return list_starts, list_rows, weights


@nb.njit(cache=True, nogil=True)
def shared(starts, columns, counts, idf, field, log_counts, lengths, asked, row):
    """What one row shares with a text: the sum over its terms of their weights times `asked`, (terms.SIZE,)."""
    total = np.float32(0)
    for at in range(starts[row], starts[row + 1]):
        column = columns[at]
        if asked[column] > 0:
            length = lengths[row, 0] if column < field else lengths[row, 1]
            total += asked[column] * log_counts[counts[at]] * idf[column] * length
    return total


@nb.njit(cache=True, nogil=True)
def shares(lists, starts, columns, counts, idf, field, log_counts, lengths, asked_columns, asked, scores):
    """`shared` for every row into `scores`, zero before: by `lists` as far as they reach, the newest one by one."""
    list_starts, list_rows, weights, listed = lists
    for column in asked_columns:
        weight = asked[column]
        if weight > 0:
            for at in range(list_starts[column], list_starts[column + 1]):
                scores[list_rows[at]] += weight * weights[at]
    for i in range(listed, len(scores)):
        scores[i] = shared(starts, columns, counts, idf, field, log_counts, lengths, asked, i)


@nb.njit(cache=True, nogil=True, fastmath=_SUMS)
def _head_product(head, i, query):
    total = np.float32(0)
    for k in range(HEAD):
        total += np.float32(head[i, k]) * query[k]
    return total


@nb.njit(cache=True, nogil=True, fastmath=_SUMS)
def _tail_product(tail, i, query):
    total = np.float32(0)
    for k in range(tail.shape[1]):
        total += np.float32(tail[i, k]) * query[HEAD + k]
    return total


@nb.njit(cache=True, nogil=True, fastmath=_SUMS)
def _centred_product(numbers, scale, center, one, other):
    total = np.float32(0)
    for k in range(numbers.shape[1]):
        first = np.float32(numbers[one, k]) * scale[one] - center[k]
        total += first * (np.float32(numbers[other, k]) * scale[other] - center[k])
    return total


@nb.njit(cache=True, nogil=True)
def _sink(best, best_rows, size):
    """Restores the order of a heap, least first, whose first entry was replaced."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            return
        if child + 1 < size and best[child + 1] < best[child]:
            child += 1
        if best[at] <= best[child]:
            return
        best[at], best[child] = best[child], best[at]
        best_rows[at], best_rows[child] = best_rows[child], best_rows[at]
        at = child


@nb.njit(cache=True, nogil=True)
def best_rows(
    scores,
    slack,
    crowd,
    head,
    tail,
    scale,
    lengths,
    is_live,
    tenants,
    created,
    query,
    drop,
    rest,
    tenant,
    latest,
    skip,
    top,
):
    """(scores, rows) of the best `top`, unordered; fewer where fewer are let in.

    `scores` comes with what the words share, and is used up; `slack` is room for as many; `crowd` is what each row
    gives away. `query` float32 (width,) is the centred vector asked about, of length 1; `drop` (2,): its
    product with the center, of its head and of the rest; `rest`: the length of what is behind its head. Let in are live
    rows of `tenant` (-1: all) created at `latest` or before, but for `skip`; of rows beyond `scores` none.
    """
    rows = len(scores)
    best, places = np.full(top, -np.inf, np.float32), np.full(top, -1, np.int64)
    for i in range(rows):
        if not is_live[i] or (tenant >= 0 and tenants[i] != tenant) or created[i] > latest or i == skip:
            scores[i] = -np.inf
            slack[i] = 0
            continue
        part = (_head_product(head, i, query) * scale[i] - drop[0]) * lengths[i, 0]
        scores[i] += part - crowd[i]
        slack[i] = rest * lengths[i, 1] + np.float32(1e-5)
        if scores[i] > best[0]:
            best[0], places[0] = scores[i], i
            _sink(best, places, top)
    for k in range(top):  # in full: what must be beaten is then known
        i = places[k]
        if i >= 0:
            best[k] = scores[i] + (_tail_product(tail, i, query) * scale[i] - drop[1]) * lengths[i, 0]
            slack[i] = -np.inf  # has been read
    order = np.argsort(best)
    best, places = best[order], places[order]
    for i in range(rows):
        if scores[i] + slack[i] > best[0]:
            full = scores[i] + (_tail_product(tail, i, query) * scale[i] - drop[1]) * lengths[i, 0]
            if full > best[0]:
                best[0], places[0] = full, i
                _sink(best, places, top)
    return best, places


@nb.njit(cache=True, nogil=True)
def first_alike(rows, bar, wanted, head, tail, scale, center, vectors, starts, columns, counts, idf, field, log_counts,
                lengths, half, asked):  # fmt: skip
    """Per entry of `rows`, best first, the place of the first one at least `bar` like it: its own where there is none.

    Ends after `wanted` that are like none before; -1 for what was not looked at. `asked` is zero before and after.
    """
    size = len(rows)
    first = np.full(size, -1, np.int64)
    found = 0
    for a in range(size):
        if first[a] >= 0:
            continue
        if found == wanted:
            break
        first[a] = a
        found += 1
        one = rows[a]
        for at in range(starts[one], starts[one + 1]):
            column = columns[at]
            length = lengths[one, 0] if column < field else lengths[one, 1]
            asked[column] = half * log_counts[counts[at]] * idf[column] * length
        for b in range(a + 1, size):
            if first[b] >= 0:
                continue
            other = rows[b]
            product = _centred_product(head, scale, center[:HEAD], one, other)
            product += _centred_product(tail, scale, center[HEAD:], one, other)
            cosine = product * vectors[one, 0] * vectors[other, 0]
            both = shared(starts, columns, counts, idf, field, log_counts, lengths, asked, other)
            if cosine + both >= bar:
                first[b] = a
        for at in range(starts[one], starts[one + 1]):
            asked[columns[at]] = 0
    return first
