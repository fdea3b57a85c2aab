"""`python -m tests.tickets.independent_figures`: the shipped model on the tickets of another hand."""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from aiops.config import Tickets
from aiops.desk import load_pipeline
from aiops.tickets.pipeline import TriagePipeline
from aiops.tickets.ticket import Ticket

INDEPENDENT = Path(__file__).parent / "independent.jsonl"
OUTPUTS = ("category", "type", "urgency", "impact", "sentiment")


def figures(pipeline: TriagePipeline) -> dict[str, float]:
    """Shares of the tickets, and per output the macro-F1; noise is judged by being told apart alone."""
    rows = [json.loads(line) for line in INDEPENDENT.read_text().splitlines()]
    found = pipeline.triage([Ticket(row["title"], row["body"]) for row in rows], with_reasons=False)
    judged = list(zip(rows, found, strict=True))
    real = [(row, said) for row, said in judged if row["category"] != "noise"]
    told: dict[str, float] = {}
    for name in OUTPUTS:
        truth = [row[name] for row, _ in real]
        label = [said.answers[name].label for _, said in real]
        told[f"{name}_accuracy"] = float(np.mean([t == s for t, s in zip(truth, label, strict=True)]))
        told[f"{name}_macro_f1"] = float(f1_score(truth, label, average="macro"))
    for first in (1, 3):
        right = [row["team"] in [team.name for team in said.routing[:first]] for row, said in real]
        told[f"team_in_first_{first}"] = float(np.mean(right))
    told["noise_told_apart"] = float(
        np.mean([not said.is_ticket for row, said in judged if row["category"] == "noise"])
    )
    told["tickets_taken_for_noise"] = float(np.mean([not said.is_ticket for _, said in real]))
    return {name: round(value, 4) for name, value in told.items()}


def main() -> None:
    """Prints one JSON object."""
    print(json.dumps(figures(load_pipeline(Tickets())), indent=2))


if __name__ == "__main__":
    main()
