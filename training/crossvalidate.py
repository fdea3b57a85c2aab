"""How much of a benchmark figure is luck? Constants of the detectors drawn anew, and chosen without the file.

    python -m training.crossvalidate --nab DIR --kpi DIR --scorers DIR [--draws 24] [--jobs 1] [--out figures.json]

Every draw moves each constant named in CONSTANTS by a random factor of up to 2 either way (draw 0 is what ships) and
scores all files in a process of its own. Four figures come out per data set: what ships; leave one file out (the draw,
and for NAB the threshold, that is best on all other files scores the file left out), once with what ships among the
draws and once without, as if nobody had ever looked; and the quartiles of all draws, which say how flat the hill is.
Near-equal figures mean the constants are not tuned to the files.

--scorers: folder of `nab_score.py` and `kpi_score.py`, whose functions judge alarms against labels.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

FACTOR_MAX = 2.0
CONSTANTS = {
    "kernel": (
        *("GAIN_LONG", "GAIN_SCALE", "GAIN_LEVEL", "SLOT_GAIN", "FLOOR_DEV", "FLOOR_MEAN", "HISTORY_COUNT"),
        *("WEIGHT_GLOBAL", "WEIGHT_RESIDUAL", "WEIGHT_RUN", "WEIGHT_STEP", "EXCESS_LEAK", "REFRACTORY_SAMPLES"),
    ),
    "likelihood": ("TAIL_SHARE", "SHARE_GAIN_MIN", "EXCESS_START", "EXCESS_GAIN_MIN", "EXCESS_PRIOR_COUNT"),
    "novelty": (
        *("WEIGHT_FAST", "WEIGHT_SLOW", "WEIGHT_SEASON", "GAIN_FAST", "GAIN_SLOW", "GAIN_CENTRE", "RANGE_DECAY"),
        *("NOVELTY_WEIGHT", "GAIN_NOVELTY", "BUDGET_WEIGHT", "LEARNING_RATE", "YOUTH"),
    ),
}
NARROW = {("kernel", "IMPROBABILITY_BAR"): 1.3, ("novelty", "BAR"): 1.3}  # the bars themselves: less, or all is silence
PROFILES = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")
THRESHOLDS = np.append(np.linspace(0.4, 0.8, 81), 1.1)  # 1.1: nothing is flagged


def draw(number: int, seed: int) -> dict[str, float]:
    """Factors by "module.NAME"; all 1 for draw 0."""
    rng = np.random.default_rng([seed, number])
    widths = {(module, name): FACTOR_MAX for module, names in CONSTANTS.items() for name in names} | NARROW
    sign = 0.0 if number == 0 else 1.0
    return {f"{module}.{name}": float(width ** (sign * rng.uniform(-1, 1))) for (module, name), width in widths.items()}


def load(path: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def score_files(factors: dict[str, float], nab: Path, kpi: Path, scorers: Path) -> dict[str, Any]:
    """One draw, in this process, before anything of it is compiled. `nab`: file -> profile -> total at each of
    THRESHOLDS; `kpi`: file -> found, missed, false, days."""
    from aiops.detection import kernel, likelihood, novelty
    from aiops.metrics.table_file import read_table
    from aiops.score import scored_columns

    modules: dict[str, ModuleType] = {"kernel": kernel, "likelihood": likelihood, "novelty": novelty}
    for key, factor in factors.items():
        module, name = key.split(".")
        setattr(modules[module], name, getattr(modules[module], name) * factor)
    k = modules["kernel"]
    k.WEIGHT_SUM = k.WEIGHT_GLOBAL + k.WEIGHT_RESIDUAL + k.WEIGHT_RUN + k.WEIGHT_STEP  # type: ignore[attr-defined]

    judge = load(scorers / "nab_score.py")
    nab_totals: dict[str, dict[str, list[float]]] = {}
    for name, windows in judge.load_corpus(nab).items():
        alert = np.nan_to_num(scored_columns(read_table(nab / "data" / name))["alert"])
        nab_totals[name] = {}
        for profile in PROFILES:
            thresholds, totals, _, nothing = judge.sweep({name: alert}, {name: windows}, profile)
            flagged = np.searchsorted(-thresholds, -THRESHOLDS, side="right")
            nab_totals[name][profile] = [float(totals[k - 1]) if k else float(nothing) for k in flagged]
    judge = load(scorers / "kpi_score.py")
    kpi_events: dict[str, list[float]] = {}
    for path in sorted(kpi.glob("*.parquet")):
        table = read_table(path)
        alarm = scored_columns(table)["anomalous"] > 0
        label = table.columns["label"].to_numpy() > 0
        half, time_s = len(alarm) // 2, table.time_ms // 1000
        kpi_events[path.stem] = [float(x) for x in judge.events(alarm[half:], label[half:], time_s[half:])]
    return {"nab": nab_totals, "kpi": kpi_events}


def event_f1(events: NDArray[np.float64]) -> tuple[float, float]:
    """(F1, false episodes a day) of rows found, missed, false, days."""
    found, missed, false, days = events.sum(axis=0)
    return 2 * found / max(2 * found + missed + false, 1), false / days


def report(results: list[dict[str, Any]], windows: int) -> dict[str, Any]:
    """The figures of the module's text."""
    out: dict[str, Any] = {"draws": len(results)}
    files = list(results[0]["kpi"])
    events = np.array([[one["kpi"][file] for file in files] for one in results])  # (draws, files, 4)
    every = np.array([event_f1(draw) for draw in events])

    def left_out(draws: NDArray[np.float64]) -> list[float]:
        best = [np.argmax([event_f1(np.delete(draw, k, 0))[0] for draw in draws]) for k in range(len(files))]
        f1, false = event_f1(np.array([draws[pick, k] for k, pick in enumerate(best)]))
        return [round(f1, 4), round(false, 3)]

    out["kpi"] = {
        "as_shipped": [round(float(x), 4) for x in every[0]],
        "leave_one_out": left_out(events),
        "leave_one_out_without_shipped": left_out(events[1:]) if len(events) > 1 else None,
        "quartiles_of_draws": np.percentile(every[:, 0], [0, 25, 50, 75, 100]).round(3).tolist(),
    }
    names = list(results[0]["nab"])
    out["nab"] = {}
    for profile, missed_cost in zip(PROFILES, (1.0, 1.0, 2.0), strict=True):
        totals = np.array([[one["nab"][name][profile] for name in names] for one in results])  # (draws, files, cuts)

        def scaled(total: float, cost: float = missed_cost) -> float:
            return round(100 * (total + cost * windows) / (windows * (1 + cost)), 2)

        def left_out_total(draws: NDArray[np.float64]) -> float:
            whole, picked = draws.sum(axis=1), 0.0
            for k in range(draws.shape[1]):
                pick, cut = np.unravel_index(int(np.argmax(whole - draws[:, k])), whole.shape)
                picked += draws[pick, k, cut]
            return picked

        whole = totals.sum(axis=1)
        default = int(np.searchsorted(THRESHOLDS, 0.5))
        out["nab"][profile] = {
            "as_shipped": scaled(whole[0].max()),
            "as_shipped_at_default_threshold": scaled(whole[0, default]),
            "leave_one_out": scaled(left_out_total(totals)),
            "leave_one_out_without_shipped": scaled(left_out_total(totals[1:])) if len(totals) > 1 else None,
            "quartiles_of_draws": [scaled(x) for x in np.percentile(whole.max(axis=1), [0, 25, 50, 75, 100])],
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for folder in ("nab", "kpi", "scorers"):
        parser.add_argument(f"--{folder}", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)  # one draw, as a process of its own
    args = parser.parse_args()
    if args.only is not None:
        json.dump(score_files(draw(args.only, args.seed), args.nab, args.kpi, args.scorers), sys.stdout)
        return

    def one(number: int) -> dict[str, Any]:
        command = [sys.executable, "-m", "training.crossvalidate", *sys.argv[1:], "--only", str(number)]
        with tempfile.TemporaryDirectory() as cache:  # compiled code knows nothing of moved constants
            environment = os.environ | {"NUMBA_CACHE_DIR": cache}
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
        sys.stderr.write(f"draw {number} done\n")
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(one, range(args.draws)))
    windows = sum(len(spans) for _, spans in load(args.scorers / "nab_score.py").load_corpus(args.nab).values())
    figures = json.dumps(report(results, windows), indent=1)
    sys.stdout.write(figures + "\n")
    if args.out:
        args.out.write_text(figures + "\n")


if __name__ == "__main__":
    main()
