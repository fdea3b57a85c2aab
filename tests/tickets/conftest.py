"""The shipped models, loaded once."""

import pytest

from aiops.config import Tickets
from aiops.desk import ENCODER, load_pipeline, shipped_models
from aiops.tickets.encoder import Encoder
from aiops.tickets.pipeline import TriagePipeline


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder.load(shipped_models() / ENCODER)


@pytest.fixture(scope="session")
def pipeline() -> TriagePipeline:
    return load_pipeline(Tickets())
