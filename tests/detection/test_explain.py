"""The sentence says who, what, how much, and against what."""

import pytest

from aiops.detection import explain
from aiops.detection.scores import Kind
from aiops.metrics.series import canonical

LABELS = canonical({"__name__": "latency_ms", "service": "checkout"})


@pytest.mark.parametrize(
    ("kind", "value", "expected", "said"),
    [
        (Kind.SPIKE, 300.0, 100.0, "checkout latency_ms is 3x its usual level: 300, expected 100 (90 to 110)"),
        (Kind.DIP, 25.0, 100.0, "checkout latency_ms is 75 % below its usual level"),
        (Kind.SPIKE, 115.0, 100.0, "above its usual level: 115, expected 100 (90 to 110)"),
        (Kind.LEVEL_SHIFT, 108.0, 100.0, "stays at another level than it used to: 108; 100 is usual"),
        (Kind.PATTERN, 115.0, 100.0, "never seen before: 115 after its recent values; 100 is usual"),
        (Kind.STUCK, 7.0, 7.0, "repeats 7 although it usually changes"),
        (Kind.PATTERN, 95.0, 100.0, "never seen before"),
    ],
)
def test_sentence(kind: Kind, value: float, expected: float, said: str) -> None:
    assert said in explain.sentence(LABELS, kind, value, expected, 90.0, 110.0)


@pytest.mark.parametrize("kind", [Kind.SPIKE, Kind.DIP, Kind.LEVEL_SHIFT, Kind.PATTERN])
def test_no_sentence_blames_a_value_for_a_band_it_lies_within(kind: Kind) -> None:
    assert "90" not in explain.sentence(LABELS, kind, 95.0, 100.0, 90.0, 110.0)


def test_numbers_are_short() -> None:
    assert [explain.number(x) for x in (0.12345, 1234.5, 12345.6, 7.5e9)] == ["0.1235", "1234", "12.35k", "7.5G"]


def test_silence_names_the_entity() -> None:
    text = explain.silence_sentence(canonical({"service": "db"}), 12, True, 90)
    assert text == "12 series of db stopped reporting 90 s ago"


def test_the_numbers_of_a_sentence_differ() -> None:
    text = explain.sentence(LABELS, Kind.DIP, 36_240_100.0, 36_243_900.0, 36_242_800.0, 36_244_200.0)
    assert "36.24M, expected 36.244M (36.243M to 36.244M)" in text
