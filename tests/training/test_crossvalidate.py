"""Cross-validation of the detectors' constants: what ships is among the draws, and no file chooses for itself."""

import numpy as np

from training.crossvalidate import PROFILES, THRESHOLDS, draw, report


def result(found: dict[str, float], caught: float) -> dict[str, object]:
    """One draw: per KPI file so many of 10 segments found, and per NAB file this total at the default threshold."""
    totals = [caught if cut <= 0.5 else -1.0 for cut in THRESHOLDS]
    return {
        "kpi": {file: [count, 10 - count, 0.0, 1.0] for file, count in found.items()},
        "nab": {file: dict.fromkeys(PROFILES, totals) for file in found},
    }


def test_draw_zero_is_what_ships() -> None:
    assert set(draw(0, seed=3).values()) == {1.0}


def test_draws_differ_and_come_again_by_seed() -> None:
    assert draw(1, seed=3) == draw(1, seed=3) != draw(2, seed=3)
    assert all(0.5 <= factor <= 2 for factor in draw(1, seed=3).values())


def test_no_file_chooses_its_own_constants() -> None:
    shipped = result({"a": 8.0, "b": 8.0, "c": 8.0}, 0.5)
    lucky = result({"a": 10.0, "b": 10.0, "c": 0.0}, 0.2)  # best for c's judges, bad for c itself
    figures = report([shipped, lucky], windows=3)["kpi"]
    assert figures["as_shipped"][0] == round(2 * 24 / (2 * 24 + 6), 4)
    assert figures["leave_one_out"][0] == round(2 * 16 / (2 * 16 + 14), 4), "a and b by what ships, c by the lucky draw"
    assert figures["leave_one_out_without_shipped"][0] == round(2 * 20 / (2 * 20 + 10), 4), (
        "only the lucky draw is left"
    )


def test_nab_is_scaled_between_nothing_and_everything() -> None:
    figures = report([result({"a": 1.0, "b": 1.0, "c": 1.0}, 1.0)], windows=3)["nab"]
    assert figures["standard"]["as_shipped"] == 100
    assert figures["standard"]["as_shipped_at_default_threshold"] == 100
    assert np.isclose(report([result({"a": 1.0, "b": 1.0}, -1.0)], windows=2)["nab"]["standard"]["as_shipped"], 0)
