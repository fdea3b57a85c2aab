"""Feeling words, what negates and strengthens them, and what is no feeling at all."""

from aiops.tickets.tone import SIZE, feelings, tone


def weights(text: str) -> list[float]:
    return [feeling.weight for feeling in feelings(text)]


def test_a_negation_turns_the_sign() -> None:
    assert weights("great") == [1.0]
    assert weights("this is not great")[0] < 0
    assert weights("not bad")[0] > 0


def test_an_intensifier_counts_half_more() -> None:
    assert weights("really great") == [1.5]
    assert weights("extremely annoying") == [-1.5]


def test_a_negation_far_away_does_not_reach() -> None:
    assert weights("no printer in the new building, great") == [1.0]


def test_stems_match_their_forms_and_short_words_only_themselves() -> None:
    assert weights("frustrating frustrated") == [-1.0, -1.0]
    assert weights("madrid") == [], "mad is a word, not a stem"


def test_plain_facts_carry_no_feeling() -> None:
    assert weights("The server srv-fra-04 returns 502 since 09:12.") == []


def test_every_text_gets_its_numbers() -> None:
    rows = tone(["", "GREAT!!! :)", "why???"])
    assert rows.shape == (3, SIZE)
    assert rows[1, 0] > 0 and rows[1, 6] > 0 and rows[1, 10] == 1
    assert rows[2, 7] > 0
    assert tone([]).shape == (0, SIZE)
