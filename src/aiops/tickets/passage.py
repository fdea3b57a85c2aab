"""Which sentence of a past ticket a new one is about: the one that shares most of its words, the longer words more."""

import re2

SENTENCES_MAX = 50
PASSAGE_CHARS_MAX = 300
_END = re2.compile(r"[.!?]+\s+|\n+")
_WORD = re2.compile(r"[0-9A-Za-z_\x{80}-\x{10ffff}]+")


def passages(asked: str, texts: list[str]) -> list[str]:
    """One sentence per text, empty where it has none."""
    words = set(_WORD.findall(asked.lower()))
    return [_best(words, text) for text in texts]


def _best(words: set[str], text: str) -> str:
    sentences = [one.strip() for one in _END.split(text[:10_000])][:SENTENCES_MAX]
    best, most = "", -1.0
    for sentence in sentences:
        if sentence:
            own = set(_WORD.findall(sentence.lower()))
            shared = sum(len(word) for word in own & words) / (1 + len(own)) ** 0.5
            if shared > most:
                best, most = sentence, shared
    return best[:PASSAGE_CHARS_MAX]
