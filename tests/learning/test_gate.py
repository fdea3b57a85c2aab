"""The gate: better passes, worse is refused, and the check that decided is named."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from aiops.errors import InputError
from aiops.learning.figures import Judged, calibration_chance, calibration_error, figures, paired_bootstrap, per_class
from aiops.learning.gate import Candidate, Rules, decide, force

CLASSES = ("access", "network", "vip")
ROWS = 600
TRUTH = np.array([CLASSES[0 if k % 12 < 6 else 1 if k % 12 < 11 else 2] for k in range(ROWS)], dtype=object)


def answers(wrong: NDArray[np.bool_] | list[int], confidence: float | None = None, coverage: float = 0.9) -> Judged:
    """Answers that are wrong on these rows, and as sure of themselves as they are right."""
    is_wrong = np.zeros(ROWS, bool)
    is_wrong[wrong] = True
    label = TRUTH.copy()
    label[is_wrong] = [CLASSES[(CLASSES.index(name) + 1) % 3] for name in TRUTH[is_wrong]]
    sure = np.full(ROWS, 1 - is_wrong.mean() if confidence is None else confidence)
    probabilities = np.tile(((1 - sure) / 2)[:, None], (1, 3))
    probabilities[np.arange(ROWS), [CLASSES.index(name) for name in label]] = sure
    order = np.argsort(is_wrong, kind="stable")  # the wrong ones are abstained from first
    answered = np.zeros(ROWS, bool)
    answered[order[: int(coverage * ROWS)]] = True
    return Judged(CLASSES, np.arange(ROWS), TRUTH, label, probabilities, sure, answered)


def candidate(name: str, judged: Judged, latency_ms: float = 4.0, size: int = 30_000_000) -> Candidate:
    return Candidate(name, name, {"category": judged}, latency_ms, size)


CHAMPION = candidate("acme/1", answers(list(range(0, ROWS, 7))))
BETTER = candidate("acme/2", answers(list(range(0, ROWS, 14))))


def test_a_better_model_is_promoted() -> None:
    verdict = decide(BETTER, CHAMPION)
    assert verdict.is_promoted
    assert verdict.decided_by == "better overall"
    assert verdict.text.startswith("PROMOTE acme/2 against acme/1: better overall")
    assert len(verdict.text.splitlines()) <= 24 and max(map(len, verdict.text.splitlines())) <= 120


def test_an_equal_model_is_not() -> None:
    verdict = decide(replace(CHAMPION, name="acme/2"), CHAMPION)
    assert not verdict.is_promoted
    assert verdict.decided_by == "better overall"


def test_a_little_luck_is_not_better() -> None:
    lucky = candidate("acme/2", answers(list(range(0, ROWS, 7))[:-2]))
    assert decide(lucky, CHAMPION).decided_by == "better overall"


def test_a_worse_output_is_refused_by_name() -> None:
    worse = candidate("acme/2", answers(list(range(0, ROWS, 4))))
    assert decide(worse, CHAMPION).decided_by == "category not worse"


def test_a_protected_class_may_not_pay_for_the_others() -> None:
    vip = np.flatnonzero(TRUTH == "vip")
    wrong_before = sorted(set(range(0, ROWS, 7)) - set(vip))
    champion = candidate("acme/1", answers(wrong_before))
    mine = candidate("acme/2", answers([*wrong_before[::2], *vip[:3]]))  # better overall, 3 of 50 lost
    assert decide(mine, champion, Rules(class_margin=0.08)).is_promoted
    verdict = decide(mine, champion, Rules(protected={"category": ("vip",)}))
    assert verdict.decided_by == "no class worse"
    assert "category vip: -0.060 on 50" in verdict.text
    lost = candidate("acme/2", answers([*wrong_before[::4], *vip[:20]]))
    assert decide(lost, champion).decided_by == "no class worse", "surely worse counts on every class"


@pytest.mark.parametrize(
    ("mine", "rules", "decided"),
    [
        (candidate("m", answers(list(range(0, ROWS, 14)), confidence=0.6)), Rules(), "category calibrated"),
        (candidate("m", answers(list(range(0, ROWS, 14)), coverage=0.5)), Rules(), "category abstains well"),
        (candidate("m", BETTER.judged["category"], latency_ms=80), Rules(), "fast enough"),
        (candidate("m", BETTER.judged["category"], latency_ms=9), Rules(), "fast enough"),
        (candidate("m", BETTER.judged["category"], size=600_000_000), Rules(), "small enough"),
        (BETTER, Rules(rows_min=1000), "enough tickets"),
        (replace(BETTER, judged={"other": BETTER.judged["category"]}), Rules(), "every output"),
    ],
    ids=["calibration", "coverage", "latency", "latency against the champion", "size", "few rows", "output lost"],
)
def test_each_limit_decides(mine: Candidate, rules: Rules, decided: str) -> None:
    verdict = decide(mine, CHAMPION, rules)
    assert (verdict.is_promoted, verdict.decided_by) == (False, decided)


def test_poisoned_labels_are_given_away_by_what_the_champion_is_sure_of() -> None:
    fooled = replace(answers(list(range(0, ROWS, 2))), answered=np.ones(ROWS, bool))  # half of the slice is poisoned
    learned = candidate("acme/2", answers([]))  # and the challenger has learned the poison
    verdict = decide(learned, candidate("acme/1", fooled))
    assert (verdict.is_promoted, verdict.decided_by) == (False, "category labels believable")
    assert "has the world changed?" in verdict.text
    shy = replace(fooled, answered=np.arange(ROWS) < 10)
    assert decide(learned, candidate("acme/1", shy)).decided_by != "category labels believable", "too few to tell"


def test_without_a_champion_the_commonest_label_is_to_be_beaten() -> None:
    assert decide(BETTER, None).is_promoted
    always = answers(TRUTH != "access")
    verdict = decide(candidate("acme/1", replace(always, label=np.full(ROWS, "access", object))), None)
    assert not verdict.is_promoted


def test_force_needs_a_reason_and_keeps_it() -> None:
    refused = decide(replace(CHAMPION, name="acme/2"), CHAMPION)
    with pytest.raises(InputError, match="say why"):
        force(refused, "  ")
    forced = force(refused, "the old one knows no VPN team")
    assert forced.is_promoted and forced.forced == "the old one knows no VPN team"
    assert "the gate had refused by: better overall" in forced.text
    assert force(decide(BETTER, CHAMPION), "whatever").forced == ""


def test_the_same_answers_get_the_same_verdict() -> None:
    assert decide(BETTER, CHAMPION) == decide(BETTER, CHAMPION)


def test_figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    label = np.where(rng.random(ROWS) < 0.3, rng.choice(CLASSES, ROWS), TRUTH).astype(object)
    found = figures(replace(BETTER.judged["category"], label=label))
    assert found.macro_f1 == pytest.approx(f1_score(TRUTH, label, average="macro"))
    assert found.accuracy == pytest.approx((label == TRUTH).mean())
    assert per_class(TRUTH, label)["vip"].f1 == pytest.approx(f1_score(TRUTH == "vip", label == "vip"))


def test_abstaining_leaves_what_is_right() -> None:
    found = figures(answers(list(range(0, ROWS, 14)), coverage=0.9))
    assert found.coverage == pytest.approx(0.9)
    assert found.precision == 1
    assert figures(answers([], coverage=0)).precision != figures(answers([], coverage=0)).precision  # NaN


def test_the_bootstrap_knows_pairs() -> None:
    rng = np.random.default_rng(0)
    hard = (rng.random(2000) < 0.5).astype(float)
    same = paired_bootstrap(hard, hard, 500, 0)
    assert same[0] == same[-1] == 0, "what both get wrong is no difference"
    gained = hard.copy()
    gained[np.flatnonzero(hard == 0)[:40]] = 1
    bound = paired_bootstrap(gained, hard, 500, 0)
    assert bound[12] > 0.01 and bound[-12] < 0.03


def test_few_rows_look_uncalibrated_by_chance() -> None:
    few, many = (calibration_chance(np.linspace(0.2, 0.99, count), seed=0) for count in (200, 20_000))
    assert few > 0.05 > 0.01 > many > 0
    assert calibration_chance(np.ones(50), seed=0) == 0


def test_surer_than_right_is_an_error() -> None:
    assert calibration_error(np.full(1000, 0.8), np.arange(1000) < 500) == pytest.approx(0.3)
