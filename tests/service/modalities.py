"""Tiny models of every modality but text, with heads of every kind; inputs for them."""

import base64
import io
from typing import Any

import numpy as np
import soundfile
import torch
from PIL import Image

from model.config import (
    EncoderConfig,
    FrontendConfig,
    GraphConfig,
    HeadConfig,
    ImageConfig,
    ModelConfig,
    SpeechConfig,
    SpellingConfig,
    VectorsConfig,
)
from model.network import Network
from model.preprocess.batch import pad
from model.preprocess.graph import Graph
from model.preprocess.modalities import make_preprocessor

KINDS = (
    HeadConfig(name="part", kind="token", labels=("x", "y", "z")),
    HeadConfig(name="whole", kind="sequence", labels=("a", "b", "c", "d"), pool="mean"),
    HeadConfig(name="size", kind="value", pool="mean"),
    HeadConfig(name="said", kind="ctc", labels=("_", "1", "2")),
)
RATE = 8_000
MODALITIES = {
    "vectors": VectorsConfig(modality="vectors", features=5),
    "sound": SpeechConfig(modality="speech", rate=RATE, mels=6, stack=3),
    "image": ImageConfig(modality="image", rows=8, columns=12, patch=4, stride=4),
    "graph": GraphConfig(modality="graph", features=5, hub=True, max_edges=200),
    "word": SpellingConfig(modality="spelling", letters="abc'", repeat=2),
}
WINDOW = {"sound": 4}
VOCABULARY = {"word": 17}


def config(name: str) -> ModelConfig:
    sizes = {"layers": 2, "heads": 4, "d_model": 20, "d_hidden": 37}
    return ModelConfig(
        preprocess=MODALITIES[name],
        frontend=FrontendConfig(vocabulary=VOCABULARY.get(name), max_length=60, positions="none"),
        encoder=EncoderConfig(**sizes, window=WINDOW.get(name)),
        heads=KINDS,
    )


def sound(samples: np.ndarray) -> str:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="FLOAT")
    return base64.b64encode(file.getvalue()).decode()


def picture(greys: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(greys).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def npy(array: np.ndarray) -> dict[str, str]:
    """An input of vectors."""
    file = io.BytesIO()
    np.save(file, array)
    return {"vectors": base64.b64encode(file.getvalue()).decode()}


def cases(name: str) -> list[tuple[Any, Any]]:
    """As the request has it, and as the preprocessor takes it."""
    rng = np.random.default_rng(4)
    made: list[tuple[Any, Any]] = []
    for size in (3, 7, 2):
        if name == "vectors":
            rows = rng.standard_normal((size, 5)).round(3)
            made.append(({"vectors": rows.tolist()}, rows))
        elif name == "sound":
            samples = rng.standard_normal(size * 900).astype(np.float32) / 9
            made.append(({"audio": sound(samples)}, samples))
        elif name == "image":
            greys = rng.integers(0, 256, (8, 12)).astype(np.uint8)
            made.append(({"image": picture(greys)}, greys))
        elif name == "word":
            made.append(("cab'bac"[:size], "CAB'BAC"[:size]))
        else:
            rows, edges = rng.standard_normal((size, 5)).round(3), [[0, size - 1], [1, 0]]
            given = {"nodes": rows.tolist(), "edges": edges}
            made.append((given, Graph(rows, edges)))
    return made


def run(network: Network, source: Any) -> tuple[Any, Any]:
    """What it encodes to, and what torch makes of it."""
    encoded = make_preprocessor(network.config.preprocess, 60, "").encode(source)
    arrays = {name: torch.from_numpy(array) for name, array in pad([encoded]).items()}
    with torch.inference_mode():
        return encoded, network(arrays)
