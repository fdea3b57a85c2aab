"""A bundle comes back as it was saved, or is refused with the reason."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from aiops.desk import CLASSIFIER, ENCODER, shipped_models
from aiops.errors import BundleError
from aiops.tickets import bundle
from aiops.tickets.encoder import Encoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped_models() / CLASSIFIER, tmp_path / "triage" / "1"))


def changed(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = folder / bundle.MANIFEST
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def with_arrays(folder: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    """Arrays changed, and the digest made right again: only the content is wrong."""
    arrays = load_file(folder / bundle.ARRAYS)
    change(arrays)
    save_file(arrays, folder / bundle.ARRAYS)
    digest = hashlib.sha256((folder / bundle.ARRAYS).read_bytes()).hexdigest()
    changed(folder, lambda manifest: manifest.update(sha256=digest))


def test_what_is_saved_is_loaded_with_the_same_digest(encoder: Encoder, folder: Path, tmp_path: Path) -> None:
    loaded = bundle.load(folder, encoder)
    digest = bundle.save(tmp_path / "again" / "1", "again", "1", encoder, loaded.idf, loaded.classifier, {"note": "x"})
    again = bundle.load(tmp_path / "again" / "1", encoder)
    assert digest == again.digest == loaded.digest
    np.testing.assert_array_equal(again.classifier.heads.dense, loaded.classifier.heads.dense)
    assert again.about == {"note": "x"}


def test_a_flipped_byte_is_refused(encoder: Encoder, folder: Path) -> None:
    path = folder / bundle.ARRAYS
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(BundleError, match="wrong digest"):
        bundle.load(folder, encoder)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 99}, "format 99"),
        ({"kind": "encoder"}, "not the manifest of a classifier"),
        ({"hash": "md5"}, "train again"),
        ({"encoder": "0" * 64}, "another encoder"),
    ],
)
def test_a_foreign_manifest_is_refused(encoder: Encoder, folder: Path, change: dict[str, object], told: str) -> None:
    changed(folder, lambda manifest: manifest.update(change))
    with pytest.raises(BundleError, match=told):
        bundle.load(folder, encoder)


def test_weights_that_are_no_numbers_are_refused(encoder: Encoder, folder: Path) -> None:
    with_arrays(folder, lambda arrays: arrays["heads.bias"].__setitem__(0, np.nan))
    with pytest.raises(BundleError, match=r"heads\.bias holds NaN"):
        bundle.load(folder, encoder)


def test_arrays_of_another_shape_are_refused(encoder: Encoder, folder: Path) -> None:
    with_arrays(folder, lambda arrays: arrays.update({"heads.bias": arrays["heads.bias"][:-1].copy()}))
    with pytest.raises(BundleError, match=r"heads\.bias is"):
        bundle.load(folder, encoder)


def test_a_pickle_is_not_read(encoder: Encoder, folder: Path) -> None:
    import pickletools  # its opcodes name what a pickle would run

    evil = b"cos\nsystem\n(S'touch pwned'\ntR."
    assert any(op.name == "GLOBAL" for op, _, _ in pickletools.genops(evil))
    (folder / bundle.ARRAYS).write_bytes(evil)
    digest = hashlib.sha256(evil).hexdigest()
    changed(folder, lambda manifest: manifest.update(sha256=digest))
    with pytest.raises(BundleError, match="arrays are not what"):
        bundle.load(folder, encoder)
    assert not Path("pwned").exists()


def test_missing_files_are_told(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="No such file"):
        bundle.load(tmp_path, encoder)
    with pytest.raises(BundleError, match="holds no encoder"):
        Encoder.load(tmp_path)


def test_a_damaged_encoder_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shipped_models() / ENCODER, tmp_path / "encoder"))
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer\.json is not the file"):
        Encoder.load(folder)


def test_shipped_models_are_small() -> None:
    sizes = [(shipped_models() / ENCODER / "encoder.onnx").stat().st_size, sum(
        path.stat().st_size for path in (shipped_models() / CLASSIFIER).iterdir()
    )]  # fmt: skip
    assert all(size <= 30_000_000 for size in sizes), sizes
