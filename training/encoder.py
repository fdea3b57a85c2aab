"""A sentence-transformers model -> one small ONNX file that serving runs without torch.

    python -m training.encoder --source sentence-transformers/all-MiniLM-L6-v2 --out models/encoder/1

Three steps: trace the transformer with its pooling, quantise, check. Matrix products take int8 weights with one scale
per output channel and inputs scaled as they come; the word table takes int8 with one scale per row, since one scale
for all of its 30,522 rows costs most of what quantising costs at all. The check refuses an export whose sentence
vectors are not those of the original (mean cosine on the texts given).
"""

import argparse
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from sentence_transformers import SentenceTransformer

TOKENS_MAX = 128  # retrieval gains up to here; classification already stops gaining at 64
COSINE_MIN = 0.98
_CHECKED = (
    "VPN drops every ten minutes since the update",
    "Please give Amira access to the finance share, she starts on Monday.",
    "[FIRING:1] HighErrorRate checkout prod 5xx 7.4 % for 10m",
    "Traceback (most recent call last): psycopg.OperationalError: connection refused at 10.0.3.7:5432",
    "I have been waiting for my refund for three weeks and nobody answers!",
    "thanks, that solved it",
)


class Pooled(torch.nn.Module):
    """Token ids -> the sentence vector (last layer's mean, length 1) and the mean of a middle layer, length 1."""

    def __init__(self, transformer: Any, middle: int) -> None:
        super().__init__()
        self.transformer, self.middle = transformer, middle

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """int64 (n, tokens) twice -> float32 (n, width) twice."""
        states = self.transformer(
            input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True
        ).hidden_states
        share = attention_mask.unsqueeze(-1).to(torch.float32)
        share = share / share.sum(1, keepdim=True)
        last, middle = (torch.nn.functional.normalize((states[k] * share).sum(1), dim=1) for k in (-1, self.middle))
        return last, middle


def export(source: str, out: Path) -> dict[str, Any]:
    """Writes encoder.onnx, tokenizer.json and manifest.json to `out`; returns the manifest. Raises ValueError where the
    small model's vectors are not the original's."""
    model = SentenceTransformer(source, device="cpu")
    transformer: Any = model[0]
    layers = int(transformer.auto_model.config.num_hidden_layers)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        traced = Path(folder) / "traced.onnx"
        _trace(Pooled(transformer.auto_model.eval(), max(1, layers * 2 // 3)), traced)
        quantised = Path(folder) / "quantised.onnx"
        quantize_dynamic(
            traced, quantised, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8
        )
        small = onnx.load(quantised)
        _quantise_table(small)
        onnx.checker.check_model(small)
        (out / "encoder.onnx").write_bytes(small.SerializeToString(deterministic=True))
    transformer.tokenizer.backend_tokenizer.no_padding()
    transformer.tokenizer.backend_tokenizer.no_truncation()
    transformer.tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    manifest = {
        "format": 1,
        "kind": "encoder",
        "source": Path(source).name if Path(source).exists() else source,
        "tokens_max": min(TOKENS_MAX, int(model.max_seq_length or TOKENS_MAX)),
        "sha256": {name: _sha256(out / name) for name in ("encoder.onnx", "tokenizer.json")},
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    cosine = _cosines(model, out)
    if cosine.mean() < COSINE_MIN:
        raise ValueError(f"the small model's vectors are not the original's: mean cosine {cosine.mean():.4f}")
    return manifest | {"cosine_mean": float(cosine.mean()), "cosine_min": float(cosine.min())}


def _trace(module: Pooled, to: Path) -> None:
    ids = torch.ones((2, 8), dtype=torch.int64)
    axes = {0: "n", 1: "tokens"}
    with torch.inference_mode():
        torch.onnx.export(
            module,
            (ids, ids),
            str(to),
            input_names=["input_ids", "attention_mask"],
            output_names=["sentence", "middle"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "sentence": {0: "n"}, "middle": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )


def _quantise_table(model: Any) -> None:
    """The largest table that a Gather reads becomes int8 rows and a scale each."""
    graph = model.graph
    arrays = {one.name: one for one in graph.initializer}
    reads = [node for node in graph.node if node.op_type == "Gather" and node.input[0] in arrays]
    node = max(reads, key=lambda one: int(np.prod(arrays[one.input[0]].dims)))
    table = numpy_helper.to_array(arrays[node.input[0]])
    scale = (np.abs(table).max(1, keepdims=True) / 127).astype(np.float32)
    rows = np.rint(table / np.maximum(scale, 1e-12)).astype(np.int8)
    name, ids, result = node.input[0], node.input[1], node.output[0]
    graph.initializer.remove(arrays[name])
    graph.initializer.extend(
        [numpy_helper.from_array(rows, f"{name}_rows"), numpy_helper.from_array(scale, f"{name}_scale")]
    )
    place = list(graph.node).index(node)
    graph.node.remove(node)
    for k, made in enumerate(
        (
            helper.make_node("Gather", [f"{name}_rows", ids], [f"{name}_int8"]),
            helper.make_node("Cast", [f"{name}_int8"], [f"{name}_float"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [f"{name}_scale", ids], [f"{name}_size"]),
            helper.make_node("Mul", [f"{name}_float", f"{name}_size"], [result]),
        )
    ):
        graph.node.insert(place + k, made)


def _cosines(model: Any, folder: Path) -> NDArray[np.float64]:
    from aiops.tickets.encoder import Encoder

    original = model.encode(list(_CHECKED), normalize_embeddings=True)
    small = Encoder.load(folder).encode(list(_CHECKED)).sentence
    cosines: NDArray[np.float64] = (original * small).sum(1)
    return cosines


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="sentence-transformers/all-MiniLM-L6-v2", help="a hub name or a folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of the encoder")
    given = parser.parse_args()
    print(json.dumps(export(given.source, given.out), indent=2))


if __name__ == "__main__":
    main()
