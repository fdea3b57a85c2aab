"""Tone: what a text's feeling words, negations and emphasis add up to, in 16 numbers.

A lexicon is blunt within one domain and the best thing there is across domains: words for anger and thanks mean the
same in a tweet and in a bug report, while learned n-grams do not carry over. Words are matched by stem, a negation
within three words before turns the sign, an intensifier counts half more. The idea is VADER's (Hutto, Gilbert 2014,
ICWSM); the words are our own, chosen for people who write to a help desk: that something is broken is a fact, not a
feeling.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIZE = 16
_POSITIVE = """
amaz appreciat awesom beautiful brilliant cheer congrat delight excellent excit fantastic favor friendly fun glad good
grateful great happi happy helpful hooray impress kind kudos love lovely lucky neat nice outstanding perfect pleas
pleased polite praise prompt rock smooth splendid superb sweet terrific thank thankful thanks thrill thx top-notch
welcom wonderful wow yay
"""
_NEGATIVE = """
absurd abus abysmal afraid aggravat anger angri angry annoy anxious appall asham atroci awful bad badly blame bother
broken bullshit careless clueless complain complaint concern confus crap crazy cruel cumbersome damn desperat despis
dirty disappoint disaster disgrac disgust dishonest dismay displeas disregard disrespect distress dread dumb embarrass
evil exhaust fail fault fed-up fiasco fool frustrat fuck furious garbage ghost grief gross hate hell hopeless horribl
horrif hostile humiliat idiot ignor ignorant impatien impossibl incompeten inept inexcus insan insult intolera irritat
joke junk lame lazy liar lie lied lousy ludicr mad mess messy miserabl mislead mistak mock nasty neglect negligen
nightmar nonsens nuisanc outrag pain panic pathetic pissed pointless poor poorly rediculous refus regret reject
ridicul rude sad sadly scam scandal scary screw shabby shambl shame shit sick sigh silly sloppy sorry stolen stress
stuck stupid suck sucks terribl terrif tire tired trash trouble ugly unacceptabl unbear unbeliev unfair unhapp
unhelpful unprofessional unreliabl upset useless waste wasting weird whine worr worse worst worthless wrong wtf yell
"""
_NEGATIONS = frozenset(
    [
        "not",
        "no",
        "never",
        "none",
        "nobody",
        "nothing",
        "neither",
        "nor",
        "cannot",
        "cant",
        "can't",
        "dont",
        "don't",
        "doesnt",
        "doesn't",
        "didnt",
        "didn't",
        "isnt",
        "isn't",
        "wasnt",
        "wasn't",
        "arent",
        "aren't",
        "werent",
        "weren't",
        "wont",
        "won't",
        "wouldnt",
        "wouldn't",
        "shouldnt",
        "shouldn't",
        "couldnt",
        "couldn't",
        "havent",
        "haven't",
        "hasnt",
        "hasn't",
        "hadnt",
        "hadn't",
        "without",
        "hardly",
        "barely",
        "lack",
        "lacks",
    ]
)
_INTENSIFIERS = frozenset(
    [
        "absolutely",
        "completely",
        "damn",
        "definitely",
        "entirely",
        "especially",
        "extremely",
        "freaking",
        "fucking",
        "highly",
        "hugely",
        "incredibly",
        "insanely",
        "really",
        "seriously",
        "so",
        "such",
        "super",
        "terribly",
        "too",
        "totally",
        "truly",
        "utterly",
        "very",
    ]
)
_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*|[!?]+|[:;=]-?[)(dp/]|<3")
_HAPPY = frozenset((":)", ":-)", ";)", ";-)", "=)", ":d", ":-d", "<3", ":p"))
_UNHAPPY = frozenset((":(", ":-(", "=(", ":/", ":-/"))
_REACH = 3  # words before a feeling word that may negate or strengthen it
_STEM_MIN = 4  # shorter entries of the lexicon match whole words only


def _entries(text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    words = text.split()
    return frozenset(words), tuple(word for word in words if len(word) >= _STEM_MIN)


_POSITIVE_WORDS, _POSITIVE_STEMS = _entries(_POSITIVE)
_NEGATIVE_WORDS, _NEGATIVE_STEMS = _entries(_NEGATIVE)
_STEM_SIGN = dict.fromkeys(_POSITIVE_STEMS, 1.0) | dict.fromkeys(_NEGATIVE_STEMS, -1.0)
_WHOLE_SIGN = dict.fromkeys(_POSITIVE_WORDS, 1.0) | dict.fromkeys(_NEGATIVE_WORDS, -1.0)
_STEM_MAX = max(map(len, _STEM_SIGN))


class Feeling(NamedTuple):
    """One word that carries feeling; `weight` is above 0 for pleasant, below for unpleasant."""

    word: str
    weight: float


def feelings(text: str) -> Iterator[Feeling]:
    """The feeling words of a text, in order, with negation and emphasis taken into account."""
    words = _WORD.findall(text.lower())
    for place, word in enumerate(words):
        sign = _sign(word)
        if sign:
            before = words[max(0, place - _REACH) : place]
            weight = sign * (1.5 if any(w in _INTENSIFIERS for w in before) else 1.0)
            if any(w in _NEGATIONS for w in before):
                weight *= -0.7  # "not good" is bad; "not bad" is less than good
            yield Feeling(word, weight)


def _sign(word: str) -> float:
    whole = _WHOLE_SIGN.get(word, 0.0)
    if whole or len(word) < _STEM_MIN:
        return whole
    for length in range(min(len(word), _STEM_MAX), _STEM_MIN - 1, -1):
        if word[:length] in _STEM_SIGN:
            return _STEM_SIGN[word[:length]]
    return 0.0


def tone(texts: Sequence[str]) -> NDArray[np.float32]:
    """float32 (n, 16), each number between -2 and 2 or so."""
    return np.array([_tone(text) for text in texts], np.float32).reshape(len(texts), SIZE)


def _tone(text: str) -> list[float]:
    found = [feeling.weight for feeling in feelings(text)]
    tokens = _WORD.findall(text.lower())
    words = [token for token in tokens if token[0].isalpha()]
    up, down = sum(w for w in found if w > 0), -sum(w for w in found if w < 0)
    last = found[-1] if found else 0.0
    letters = [c for c in text if c.isalpha()]
    shouted = sum(len(w) > 2 and w.isupper() for w in text.split())
    thanks = sum(w.startswith(("thank", "thx", "cheers", "appreciat")) for w in words)
    polite = sum(w in ("please", "pls", "kindly") for w in words)
    return [
        np.log1p(up),
        np.log1p(down),
        np.tanh(up - down),
        (up - down) / np.sqrt(1 + len(words)),
        float(bool(found)),
        float(np.sign(last)),
        np.log1p(sum(t.count("!") for t in tokens if t[0] in "!?")),
        np.log1p(sum(t.count("?") for t in tokens if t[0] in "!?")),
        np.log1p(shouted),
        sum(c.isupper() for c in letters) / len(letters) if letters else 0.0,
        float(any(t in _HAPPY for t in tokens)),
        float(any(t in _UNHAPPY for t in tokens)),
        min(thanks, 3) / 2,
        min(polite, 2) / 2,
        sum(w in _NEGATIONS for w in words) / np.sqrt(1 + len(words)),
        np.log1p(len(words)) / 3,
    ]
