"""How fast similar past items are found, how fast an index is built, and what it weighs; without the encoder.

The past is made up, but not smooth: words as rare as in English (Zipf), vectors between those of real tickets, every
tenth item a past one told again in part. What is asked is such an item too.
"""

import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.tickets.bundle import Bundle
from aiops.tickets.similar import PastItem, Projection, SimilarIndex

WORDS = 100_000  # of the language
TOKENS = 40
BATCH = 1000
QUERIES = 500


def bench_similar(items: int, bundle: Bundle, folder: Path) -> dict[str, Any]:
    """Builds an index of so many items, asks it, saves it to `folder` and loads it."""
    memory = bundle.classifier.memory
    index = SimilarIndex(Projection.fit(memory), bundle.encoder_digest, items)
    before = _resident()
    past, build_s = _made_up(memory), 0.0
    for _ in range(0, items, BATCH):
        texts, vectors = next(past)
        batch = [PastItem(f"T-{len(index) + k}", text=text, created_ms=k) for k, text in enumerate(texts)]
        started = time.perf_counter()
        index.add(batch[: items - len(index)], vectors[: items - len(index)])
        build_s += time.perf_counter() - started
    weight = _resident() - before
    texts, vectors = next(past)
    took: list[float] = []
    for k in range(-20, QUERIES):  # the first are not counted
        started = time.perf_counter()
        index.search(texts[k], vectors[k], 10, tenant="", before_ms=BATCH)
        took.append(1000 * (time.perf_counter() - started))
    took = took[20:]
    started = time.perf_counter()
    size = index.save(folder)
    saved = time.perf_counter()
    SimilarIndex.load(folder, bundle.encoder_digest, items)
    return {
        "items": len(index),
        "p50_ms": round(float(np.percentile(took, 50)), 2),
        "p99_ms": round(float(np.percentile(took, 99)), 2),
        "built_per_s": round(items / build_s),
        "bytes_per_item": round(weight / items),
        "saved_bytes_per_item": round(size / items),
        "save_s": round(saved - started, 2),
        "load_s": round(time.perf_counter() - saved, 2),
    }


def _made_up(memory: NDArray[np.float32]) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """(texts, vectors) of a thousand items at a time, without end."""
    rng = np.random.default_rng(1)
    weights = 1 / (np.arange(WORDS) + 2.7)
    chance = np.cumsum(weights / weights.sum())
    while True:
        words = np.searchsorted(chance, rng.random((BATCH, 2 * TOKENS)))
        sizes = np.clip(rng.lognormal(np.log(TOKENS), 0.4, BATCH), 5, 2 * TOKENS).astype(np.intp)
        pairs = rng.integers(0, len(memory), (BATCH, 2))
        share = rng.random((BATCH, 1)).astype(np.float32)
        vectors = share * memory[pairs[:, 0]] + (1 - share) * memory[pairs[:, 1]]
        vectors += 0.01 * rng.standard_normal(vectors.shape, np.float32)
        for k in range(10, BATCH, 10):  # told again in part
            words[k, :TOKENS:2] = words[k - 10, :TOKENS:2]
            vectors[k] = 0.8 * vectors[k - 10] + 0.2 * vectors[k]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        yield [" ".join(f"w{word}" for word in row[:size]) for row, size in zip(words, sizes, strict=True)], vectors


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
