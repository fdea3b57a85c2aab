import pytest

from aiops.tickets.language import LANGUAGES, UNKNOWN, language
from tests.tickets import sentences
from tests.tickets.language_figures import GROUPS, figures


def test_sentences_are_told_from_one_another() -> None:
    right, _, wrong = figures(GROUPS["English sentences"] + GROUPS["other sentences"])
    assert right >= 0.95 * (len(sentences.ENGLISH) + sum(len(one.split("\n")) for one in sentences.OTHERS.values()))
    assert not wrong


@pytest.mark.parametrize("group", ["no language", "two or three words"])
def test_what_cannot_be_told_is_unknown_rather_than_wrong(group: str) -> None:
    assert not figures(GROUPS[group])[2]


def test_a_log_does_not_make_a_german_ticket_english() -> None:
    log = "2025-03-03 10:12:13 ERROR connection to the database was refused by the server\n" * 20
    assert language(f"Seit heute früh kann sich niemand mehr anmelden, im Protokoll steht:\n{log}").code == "de"


def test_no_words_have_no_language() -> None:
    assert language("17 !!! 0x80070005") == UNKNOWN


def test_capitals_and_length_do_not_matter() -> None:
    sentence = "Can someone please look at the firewall rule for the new office?"
    assert language(sentence.capitalize()).code == language(f"{sentence}\n" * 5000).code == "en"


def test_every_language_of_the_sentences_is_known() -> None:
    assert set(sentences.OTHERS) | {"en"} <= set(LANGUAGES)
