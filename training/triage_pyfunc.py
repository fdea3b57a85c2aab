"""What MLflow loads to run a triage bundle: plain files in, a table out; no pickle, and no import of MLflow.

The model's data are two folders, `bundle` and `encoder`. A row has the text columns that the model was trained on;
what comes back are the columns that `aiops triage` adds, from the same pipeline.
"""

import os
from pathlib import Path
from typing import Any

PRECISION = 0.9


class TriageModel:
    """As MLflow's pyfunc flavour wants it: `predict(table, params)`."""

    def __init__(self, folder: Path) -> None:
        from aiops.tickets import bundle
        from aiops.tickets.encoder import Encoder

        self._encoder = Encoder.load(folder / "encoder", threads=os.cpu_count() or 1)
        self._bundle = bundle.load(folder / "bundle", self._encoder)

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """DataFrame with the text columns -> DataFrame, row by row; `params`: precision, below which it abstains."""
        import pandas

        from aiops.tickets.pipeline import TriagePipeline
        from aiops.tickets.ticket import Ticket
        from aiops.triage_table import triage_columns

        text = [name for name in self._bundle.about.get("text", ("title", "body")) if name in model_input.columns]
        cells = [["" if pandas.isna(value) else str(value) for value in model_input[name]] for name in text]
        titles = cells[0] if len(cells) > 1 else [""] * len(model_input)
        bodies = ["\n".join(filter(None, row)) for row in zip(*cells[len(cells) > 1 :], strict=True)]
        precision = float((params or {}).get("precision", PRECISION))
        pipeline = TriagePipeline(self._bundle, self._encoder, precision=precision)
        tickets = [Ticket(title, body) for title, body in zip(titles, bodies, strict=True)]
        found = dict(triage_columns(pipeline.triage(tickets, with_reasons=False)))
        return pandas.DataFrame(found, index=model_input.index)


def _load_pyfunc(path: str) -> TriageModel:
    return TriageModel(Path(path))
