"""`python -m tests.tickets.language_figures`: how often the language of a sentence is right, unknown and wrong."""

from collections.abc import Iterable

from aiops.tickets.language import language
from tests.tickets import sentences


def figures(texts: Iterable[tuple[str | None, str]]) -> tuple[int, int, list[str]]:
    """(right, unknown, wrong ones told)."""
    right = unknown = 0
    wrong = []
    for code, text in texts:
        told = language(text)
        right += told.code == code
        unknown += told.code is None and code is not None
        if told.code is not None and told.code != code:
            wrong.append(f"{text!r} is {code}, told {told.code} ({told.probability})")
    return right, unknown, wrong


GROUPS: dict[str, list[tuple[str | None, str]]] = {
    "English sentences": [("en", text) for text in sentences.ENGLISH],
    "other sentences": [(code, text) for code, texts in sentences.OTHERS.items() for text in texts.split("\n")],
    "no language": [(None, text) for text in sentences.NONE],
    "two or three words": [(code, text) for code, texts in sentences.SHORT.items() for text in texts],
}


def main() -> None:
    for name, texts in GROUPS.items():
        right, unknown, wrong = figures(texts)
        print(f"{name}: {len(texts)}, right {right}, unknown {unknown}, wrong {len(wrong)}")
        for line in wrong:
            print(f"  {line}")


if __name__ == "__main__":
    main()
