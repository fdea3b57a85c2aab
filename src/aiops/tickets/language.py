"""Which language a ticket is written in, or that this cannot be told: "English or not, and which".

py3langid (naive Bayes over byte n-grams; Lui, Baldwin 2012, langid.py) with a model file of plain arrays, on the words
only: log lines, code, paths and identifiers look like English, or like Breton, and are left out. Fewer languages than
the model knows make short texts surer. Below `PROBABILITY_MIN` the answer is unknown: a wrong one costs more than none.
The model is read on first use (about a second, 100 MB of memory).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import re2
from py3langid.langid import MODEL_FILE, LanguageIdentifier

_CODES = (
    "ar bg ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv nl no pl pt ro ru sk sl sr sv th tr uk vi zh"
)
LANGUAGES = tuple(_CODES.split())
PROBABILITY_MIN = 0.5
_CHARS_READ = 2000  # of words; more changes nothing
_LETTERS_MIN, _SIGNS_MIN = 6, 3  # fewer are unknown; a sign of Chinese, say, tells more than a letter
_TECHNICAL = re2.compile(r"[/\\@=_{}<>\[\]();:|$%#*+~^]\S|\S[/\\@=_{}<>\[\]();|$%#*+~^]|\d|\pL\.\pL|\p{Ll}\p{Lu}")
_SIGNS = re2.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}]")
_CODE_LINE = re2.compile(
    r"(?i)^\s*(?:at [\w.$]+\(|file \"|traceback |caused by:|select .+ from |insert into |return \S+\("
    r"|(?:public|def|class|import|from) \S+.*[;:{(]\s*$|[$#>] \S|\d{4}-\d\d-\d\d|\[?\d\d:\d\d:\d\d|(?:get|post|put) /)"
)


@dataclass(frozen=True, slots=True)
class Language:
    """ISO 639-1 code, None where it cannot be told; the probability is that of the best guess."""

    code: str | None
    probability: float


UNKNOWN = Language(None, 0.0)


def language(text: str) -> Language:
    """The language of `text` (the cleaned newest message)."""
    words = _words(text[: 10 * _CHARS_READ])[:_CHARS_READ]
    letters = sum(character.isalpha() for character in words)
    if letters < _LETTERS_MIN and not (letters >= _SIGNS_MIN and _SIGNS.search(words)):
        return UNKNOWN
    code, probability = _identifier().classify(words)
    probability = round(float(probability), 4)
    return Language(code if probability >= PROBABILITY_MIN else None, probability)


def _words(text: str) -> str:
    """Lower-case words of prose; whole lines of code and log are left out, and whatever no prose has."""
    lines = [line for line in text.split("\n") if not _CODE_LINE.search(line)]
    words = [word for line in lines for word in line.split() if not _TECHNICAL.search(word)]
    return " ".join(word.lower() for word in words if not (word.isupper() and word.isascii()))


def prepare() -> None:
    """Reads the model, where that was not done yet."""
    _identifier()


@cache
def _identifier() -> LanguageIdentifier:
    """Of our languages alone: the others' half of the memory is given back, and the rest lies row by row."""
    whole = LanguageIdentifier.from_model_file(MODEL_FILE)
    whole.set_languages(LANGUAGES)
    table = np.ascontiguousarray(whole.nb_ptc)
    walk = (whole.tk_nextmove, whole.tk_output)
    return LanguageIdentifier(table, whole.nb_pc, whole.nb_classes, *walk, norm_probs=True, tk_row=whole.tk_row)
