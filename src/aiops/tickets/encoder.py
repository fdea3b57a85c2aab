"""Text -> vectors by ONNX Runtime; no torch here.

One pass gives two views of a text: `sentence`, the sentence-transformers vector that similarity search wants, and
`middle`, the mean of an earlier layer, which keeps more of the words and helps classification. Vectors are kept by
the hash of their text, so a ticket that comes again, or is searched after it was triaged, costs nothing.

Each text goes through by itself. The graph scales its int8 inputs by the largest number in the pass, so that texts in
one pass would change one another's vectors (cosine .99), and a ticket would be answered differently in company; the
price is about a tenth of the throughput.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import tokenizers
from numpy.typing import NDArray

from aiops.errors import BundleError

CHARS_PER_TOKEN_MAX = 16  # no more text than this per token is read: the tokenizer's time grows with the text
_FILES = ("encoder.onnx", "tokenizer.json")


class Vectors(NamedTuple):
    """float32 (n, width) each, rows of length 1."""

    sentence: NDArray[np.float32]
    middle: NDArray[np.float32]


class Encoder:
    """Thread-safe; `cache_texts_max` texts are remembered, the oldest are dropped."""

    def __init__(
        self, session: Any, tokenizer: tokenizers.Tokenizer, tokens_max: int, digest: str, cache_texts_max: int
    ) -> None:
        self._session, self._tokenizer = session, tokenizer
        self.tokens_max, self.digest = tokens_max, digest
        self.width = int(session.get_outputs()[0].shape[1])
        self._cache: OrderedDict[bytes, tuple[NDArray[np.float32], NDArray[np.float32]]] = OrderedDict()
        self._cache_texts_max = cache_texts_max
        self._lock = threading.Lock()  # around the memory alone: requests encode side by side

    @classmethod
    def load(cls, folder: Path, threads: int = 1, cache_texts_max: int = 10_000) -> "Encoder":
        """Raises BundleError where a file is missing or is not the one the manifest names."""
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            raw = {name: (folder / name).read_bytes() for name in _FILES}
            for name in _FILES:
                if hashlib.sha256(raw[name]).hexdigest() != manifest["sha256"][name]:
                    raise BundleError(f"{folder / name} is not the file its manifest names: get the bundle again")
            tokens_max = int(manifest["tokens_max"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{folder} holds no encoder: {error}") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(raw["encoder.onnx"], options, providers=["CPUExecutionProvider"])
        tokenizer = tokenizers.Tokenizer.from_str(raw["tokenizer.json"].decode())
        tokenizer.enable_truncation(tokens_max)
        return cls(session, tokenizer, tokens_max, manifest["sha256"]["encoder.onnx"], cache_texts_max)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row per text, in order. Text beyond `tokens_max` tokens is not read."""
        keys = [hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest() for text in texts]
        with self._lock:
            found = {key: self._cache[key] for key in keys if key in self._cache}
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if new:
            found |= dict(zip(new, self._run(list(new.values())), strict=True))
            with self._lock:
                self._remember({key: found[key] for key in new})
        shape = (len(texts), self.width)
        sentence, middle = np.empty(shape, np.float32), np.empty(shape, np.float32)
        for k, key in enumerate(keys):
            sentence[k], middle[k] = found[key]
        return Vectors(sentence, middle)

    def _remember(self, found: dict[bytes, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
        for key, pair in found.items():
            self._cache[key] = pair
            while len(self._cache) > self._cache_texts_max:
                self._cache.popitem(last=False)

    def _run(self, texts: list[str]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        chars_max = CHARS_PER_TOKEN_MAX * self.tokens_max
        encodings = self._tokenizer.encode_batch([text[:chars_max] for text in texts])
        rows = []
        for encoding in encodings:
            tokens, mask = np.array([encoding.ids], np.int64), np.ones((1, len(encoding.ids)), np.int64)
            sentence, middle = self._session.run(None, {"input_ids": tokens, "attention_mask": mask})
            rows.append((sentence[0], middle[0]))
        return rows
